/// The table at the end of an experiment.
module internal Noisy.FSharp.Results

open System
open System.Collections.Generic
open System.Globalization
open System.IO
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
      Bleu: float
      Meteor: float
      Floor: float
      Paper: float
      Updates: int64
      SolvedAt: float
      Epochs: float
      Finished: bool
      Speed: float
      Item: string
      Folder: string }

let private metricOf (metric: string) (values: IReadOnlyDictionary<string, float>) =
    match values.TryGetValue metric with
    | true, value -> value
    | _ -> nan

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
      Bleu = metricOf "bleu" summary.Metrics.Test
      Meteor = metricOf "meteor" summary.Metrics.Test
      Floor = if summary.Floor.HasValue then summary.Floor.Value else nan
      Paper = if isNull (box summary.Paper) || not summary.Paper.Test.HasValue then nan else summary.Paper.Test.Value
      Updates = summary.Updates
      SolvedAt = if summary.SolvedAtUpdate.HasValue then float summary.SolvedAtUpdate.Value else nan
      Epochs = summary.Epochs
      Finished = summary.Finished
      Speed = summary.ItemsPerSecond
      Item = summary.ItemName
      Folder = folder }

/// All runs as a frame, a row a run.
let frame (rows: Row list) : Frame<int, string> = Frame.ofRecords rows

/// The columns and cells of the table: a row for each row of the experiment, seeds together.
let cells (frame: Frame<int, string>) =
    let metric = frame.GetColumn<string>("Metric").GetAt 0
    let item = frame.GetColumn<string>("Item").GetAt 0
    let besides = [ for column, name in [ "Bleu", "bleu"; "Meteor", "meteor" ] do if frame.GetColumn<float>(column).Values |> Seq.isEmpty |> not then column, name ]

    // Experiments without a known floor, and those that are not the paper's, have nothing to show there.
    let references = [ "Floor"; "Paper" ] |> List.filter (fun column -> frame.GetColumn<float>(column).Values |> Seq.isEmpty |> not)

    let head =
        [ yield! [ "row"; "seeds"; $"train {Metrics.title metric}"; "valid"; "test" ]
          for _, name in besides do Metrics.title name
          for column in references do column.ToLowerInvariant()
          yield! [ "updates"; $"{Metrics.plural item}/s"; "folder" ] ]

    let names = frame.GetColumn<string>("Row").Values |> Seq.distinct |> List.ofSeq

    let body =
        [ for name in names do
              let group = frame |> Frame.filterRowValues (fun row -> row.GetAs<string> "Row" = name)
              let numbers (column: string) = group.GetColumn<float>(column).Values |> List.ofSeq
              let texts (column: string) = group.GetColumn<string>(column).Values |> List.ofSeq
              let updates = group.GetColumn<int64>("Updates").Values |> Seq.distinct |> List.ofSeq
              let finished = group.GetColumn<bool>("Finished").Values |> Seq.forall id
              let count = updates |> List.map (fun n -> n.ToString("#,0", CultureInfo.InvariantCulture)) |> String.concat ", "
              let single column = match numbers column with | value :: _ -> Metrics.figure metric value | [] -> "–"
              let speed = match numbers "Speed" with | [] -> "–" | all -> (List.average all).ToString("#,0", CultureInfo.InvariantCulture)

              [ name
                texts "Folder" |> List.length |> string
                Metrics.spread metric (numbers "Train")
                Metrics.spread metric (numbers "Valid")
                Metrics.spread metric (numbers "Test")
                for column, name in besides do Metrics.spread name (numbers column)
                for column in references do single column
                (if finished then count else $"{count}\nunfinished")
                speed
                texts "Folder" |> List.map Path.GetFileName |> String.concat "\n" ] ]

    head, body

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

/// Prints the table of an experiment.
let print (frame: Frame<int, string>) =
    let head, body = cells frame
    printTable [ "row"; "folder" ] [ "row"; "folder" ] head body
