/// The table at the end of an experiment.
module internal Noisy.FSharp.Results

open System
open System.Collections.Generic
open System.Globalization
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open Deedle
open Spectre.Console
open Noisy.Models
open Noisy.Experiments

/// A finished run as a row of results.csv; NaN stands for "none".
type Row =
    { Row: string
      Preset: string
      Activation: string
      Seed: int64
      Metric: string
      Train: float
      Valid: float
      Test: float
      Floor: float
      Paper: float
      Updates: int64
      SolvedAt: float
      Epochs: float
      Finished: bool
      Speed: float
      Item: string
      Folder: string
      /// Checksum of the data: runs on other data are not compared.
      Data: string
      /// "yes" or "no" where runs solve their task or fail, else "".
      Solved: string
      /// What else the test measures, in its order: of an experiment of one's own all that it has, of ours what its tables show.
      Besides: (string * float) list
      /// The experiment's own settings as text, "" for null, in their order.
      Settings: (string * string) list }

let private settingsOf (config: JsonObject) =
    [ for field in ConfigJson.OwnSettings config do
          match field.Value with
          | null -> field.Key, ""
          | :? JsonValue as value when value.GetValueKind() = JsonValueKind.String -> field.Key, value.GetValue<string>()
          | value -> field.Key, value.ToJsonString ConfigJson.Line ]

let private metricOf (metric: string) (values: IReadOnlyDictionary<string, float>) =
    match values.TryGetValue metric with
    | true, value -> value
    | _ -> nan

let private besidesOf metric (summary: RunSummary) =
    let isOurs = (Solving.experiment summary).IsSome
    let isShown name = name <> metric && (if isOurs then List.contains name [ "bleu"; "meteor" ] else name <> "loss")
    [ for value in summary.Metrics.Test do if isShown value.Key then value.Key, value.Value ]

/// A summary as a row.
///
/// name: the row of the experiment, or the activation.
let row metric name (folder: string) (summary: RunSummary) =
    { Row = name
      Preset = summary.Preset
      Activation = summary.Activation
      Seed = summary.Seed
      Metric = metric
      Train = metricOf metric summary.Metrics.Train
      Valid = metricOf metric summary.Metrics.Valid
      Test = metricOf metric summary.Metrics.Test
      Floor = if summary.Floor.HasValue then summary.Floor.Value else nan
      Paper = if isNull (box summary.Paper) || not summary.Paper.Test.HasValue then nan else summary.Paper.Test.Value
      Updates = summary.Updates
      SolvedAt = if summary.SolvedAtUpdate.HasValue then float summary.SolvedAtUpdate.Value else nan
      Epochs = summary.Epochs
      Finished = summary.Finished
      Speed = summary.ItemsPerSecond
      Item = summary.ItemName
      Folder = folder
      Data = summary.Data.Sha256
      Solved = match Solving.hasSolved metric summary with Some true -> "yes" | Some false -> "no" | None -> ""
      Besides = besidesOf metric summary
      Settings = settingsOf summary.Config }

/// All runs as a frame, a row a run, with a column for each further metric of their tests ("Test nll") and for each setting of their
/// experiments, which is empty where a run has no value of it.
let frame (rows: Row list) : Frame<int, string> =
    let all: Frame<int, string> = Frame.ofRecords rows |> Frame.dropCol "Settings" |> Frame.dropCol "Besides"
    let all = if rows |> List.forall (_.Paper >> Double.IsNaN) then Frame.dropCol "Paper" all else all

    let add (title: string -> string) (pairs: Row -> (string * 'V) list) all =
        let names = rows |> List.collect (pairs >> List.map fst) |> List.distinct
        let column name = Series.ofObservations [ for i, row in List.indexed rows do for field, value in pairs row do if field = name then i, value ]
        (all, names) ||> List.fold (fun all name -> Frame.addCol (title name) (column name) all)

    all |> add (fun name -> $"Test {name}") _.Besides |> add id _.Settings

/// What else the test measures: columns of a table, with their values.
let private besides (rows: Row list) =
    [ for name in rows |> List.collect (_.Besides >> List.map fst) |> List.distinct ->
          name, fun (row: Row) -> row.Besides |> List.tryFind (fst >> (=) name) |> Option.map snd |> Option.defaultValue nan ]

let private values (value: Row -> float) (rows: Row list) = rows |> List.map value |> List.filter (Double.IsNaN >> not)

/// Of how many runs a mean is, where it is not of all: some gave no number.
let private missing found all = if found = all then "" else $" ({found} of {all})"

/// The columns and cells of the table: a row for each row of the experiment, seeds together.
///
/// rows: at least one, of one preset.
let cells (rows: Row list) =
    let metric, item = rows.Head.Metric, rows.Head.Item
    let isSolved = rows |> List.exists (fun row -> row.Solved <> "")

    // Experiments without a known floor, and those that are not the paper's, have nothing to show there.
    let references = [ "floor", _.Floor; "paper", _.Paper ] |> List.filter (fun (_, value) -> not (values value rows).IsEmpty)

    let head =
        [ yield! [ "row"; "seeds"; $"train {Metrics.title metric}"; "valid"; "test" ]
          for name, _ in besides rows do Metrics.title name
          if isSolved then yield! [ "median test (quartiles)"; "solved" ]
          for name, _ in references do name
          yield! [ "updates"; $"{Metrics.plural item}/s"; "folder" ] ]

    let body =
        [ for name, group in rows |> List.groupBy _.Row do
              let count (n: float) = n.ToString("#,0", CultureInfo.InvariantCulture)
              let each = group |> List.map (fun row -> count (float row.Updates))
              let updates = if (List.distinct each).Length = 1 then each.Head else String.concat ", " each
              let mean metric value = Metrics.mean metric (values value group) + missing (values value group).Length group.Length
              let single value = match values value group with | value :: _ -> Metrics.figure metric value | [] -> "–"

              [ name
                string group.Length
                Metrics.mean metric (values _.Train group)
                mean metric _.Valid
                mean metric _.Test
                for name, value in besides rows do mean name value
                if isSolved then
                    Metrics.median metric (values _.Test group)
                    match [ for row in group do if row.Solved <> "" then row.Solved = "yes" ] with [] -> "–" | runs -> Metrics.solved runs
                for _, value in references do single value
                (if group |> List.forall _.Finished then updates else $"{updates}\nunfinished")
                (match values _.Speed group with | [] -> "–" | all -> count (List.average all))
                group |> List.map (fun row -> Path.GetFileName row.Folder) |> String.concat "\n" ] ]

    head, body

/// The differences of each row to the first, seed by seed, as columns and cells; no cells where nothing is to be paired. Only finished runs on
/// the same data are.
let differences (rows: Row list) =
    let metric = rows.Head.Metric
    let columns = [ yield! [ "valid", metric, _.Valid; "test", metric, _.Test ]; for name, value in besides rows do "test", name, value ]
    let keyed value (group: Row list) = [ for row in group do if row.Finished && not (Double.IsNaN(value row)) then (row.Data, row.Seed), value row ]

    let body =
        match rows |> List.groupBy _.Row with
        | (_, reference) :: others ->
            [ for name, group in others do
                  let found = columns |> List.map (fun (_, metric, value) -> Metrics.difference metric (keyed value group) (keyed value reference))
                  if List.exists Option.isSome found then name :: List.map (Option.defaultValue "–") found ]
        | [] -> []

    [ $"less {rows.Head.Row}, by seed"; for place, metric, _ in columns do $"{place} {Metrics.title metric}" ], body

/// The narrowest that a column can be whose cells may break between words.
let private longestWord (cell: string) = cell.Split [| '\n'; ' ' |] |> Array.map _.Length |> Array.max

/// The narrowest that a column can be whose cells do not break.
let private longestLine (cell: string) = cell.Split '\n' |> Array.map _.Length |> Array.max

/// Each row as a block of lines, a line for each column: for where a table is too wide.
let private blocks (head: string list) (body: string list list) =
    let width = head |> List.map _.Length |> List.max
    let line (name: string) (cell: string) = $"""{name.PadRight width}  {cell.Replace("\n", ", ")}"""
    body |> List.map (fun row -> List.map2 line head row |> String.concat "\n") |> String.concat "\n\n"

/// The text of a table at most so wide. Where columns do not fit, text and titles break between words; where they still do not, each row is
/// a block of lines. Numbers are never broken.
///
/// terminal: drawn with lines, not in ASCII; width: of the terminal; left: columns of text, which stand to the left; whole: columns of text that
/// are not broken either; the others hold numbers.
let tableText terminal width (left: string list) (whole: string list) (head: string list) (body: string list list) =
    let breaks name = List.contains name left && not (List.contains name whole)
    let longest name (cell: string) = if breaks name then longestWord cell else longestLine cell
    let least (title: string -> string) = List.map2 (fun name cells -> title name :: cells |> List.map (longest name) |> List.max) head (List.transpose body)
    let fits title = List.sum (least title) + 3 * head.Length + 1 <= width
    let broken (name: string) = name.Replace(' ', '\n')
    let title = if fits id then id else broken

    if not (fits title) then
        blocks head body
    else
        let table = Table(Border = (if terminal then TableBorder.Rounded else TableBorder.Ascii2))

        for name in head do
            let column = TableColumn(Markup.Escape(title name))
            column.Alignment <- if List.contains name left then Justify.Left else Justify.Right
            column.NoWrap <- not (breaks name)
            table.AddColumn column |> ignore

        for row in body do
            table.AddRow(row |> List.map Markup.Escape |> Array.ofList) |> ignore

        use text = new StringWriter()
        let console = AnsiConsole.Create(AnsiConsoleSettings(Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = AnsiConsoleOutput text))
        console.Profile.Width <- width
        console.Write table
        text.ToString().TrimEnd()

/// Prints a table as wide as the terminal allows, or as it needs to be where output is piped.
let printTable left whole head body =
    if Progress.isTerminal () then
        tableText true (try max 20 Console.WindowWidth with _ -> 80) left whole head body
    else
        let natural = List.transpose (head :: body) |> List.sumBy (List.map longestLine >> List.max)
        tableText false (natural + 4 * head.Length) left whole head body
    |> Console.WriteLine

/// Prints the table of an experiment, and what its rows differ by.
let print (rows: Row list) =
    let head, body = cells rows
    printTable [ "row"; "folder" ] [ "row"; "folder" ] head body

    match differences rows with
    | _, [] -> ()
    | head, body ->
        printfn "\ndifferences with their 95 %% intervals"
        printTable head [ head.Head ] head body
