/// index.html of a folder of runs: the way to everything in it, with the table over seeds.
module internal Noisy.FSharp.IndexPage

open System
open System.IO
open Noisy.FSharp.Html

let private style = "img { max-width: 100% } table { border-collapse: collapse; margin: 1em 0 } td { white-space: pre }"

/// An address within the folder, whatever signs its names have.
let private link (parts: string list) (words: string) =
    let address = String.Join("/", parts |> List.map Uri.EscapeDataString)
    markup $"<a href=\"{text address}\">{text words}</a>"

/// The pages and files of a run that are there.
let private links (folder: string) =
    let name = Path.GetFileName folder
    let isThere (file: string) = File.Exists(Path.Combine(folder, file))
    let pages = Directory.GetFiles(folder, "*.html") |> Array.map Path.GetFileName |> Array.sort |> List.ofArray
    let files = [ "config.json"; "summary.json"; "log.jsonl"; "weights.safetensors" ] |> List.filter isThere
    let words (file: string) = if file.EndsWith ".html" then Path.GetFileNameWithoutExtension file else file
    [ for file in pages @ files -> link [ name; file ] (words file) ] |> concat " · "

/// The runs that the tables count: of those of one row, seed and data, such as copies of a folder, the one whose folder has a run's name.
let private counted (results: Results.Row list) =
    let isNamed (row: Results.Row) =
        let name = Path.GetFileName row.Folder
        name.StartsWith $"{row.Preset}-" && name.EndsWith $"-s{row.Seed}"

    let first = results |> List.sortBy (isNamed >> not) |> List.distinctBy (fun row -> row.Preset, row.Metric, row.Row, row.Seed, row.Data)
    let folders = Set.ofList [ for row in first -> row.Folder ]
    results |> List.filter (fun row -> folders.Contains row.Folder)

/// One line of the list of runs.
///
/// inTables: the runs that the tables count.
let private runRow (results: Results.Row list) (inTables: Results.Row list) (folder: string) =
    let name = text (Path.GetFileName folder)

    match results |> List.tryFind (fun row -> row.Folder = folder) with
    | Some row ->
        let state = if row.Finished then "finished" else $"unfinished, {row.Updates} updates"
        let isCounted = inTables |> List.exists (fun other -> other.Folder = folder)
        let state = if isCounted then state else $"{state}; not in the tables, which have this row and seed from another folder"
        [ name; text row.Row; text (string row.Seed); text (Metrics.withUnit row.Metric row.Test); text state; links folder ]
    | None -> [ name; text ""; text ""; text ""; text "no summary yet: running, interrupted or diverged"; links folder ]

/// The tables of the runs of one preset. The list of runs has their folders, which the table leaves out.
let private tables (rows: Results.Row list) =
    let cells (body: string list list) = [ for row in body -> List.map text row ]
    let head, body = Results.cells rows
    let but = List.filter (fst >> (<>) "folder") >> List.map snd

    [ markup $"<h2>preset {text rows.Head.Preset}</h2>"
      table (but (List.zip head head)) (cells [ for row in body -> but (List.zip head row) ])
      match Results.differences rows with
      | _, [] -> ()
      | head, body ->
          markup "<p>What the rows differ by from the first, seed by seed, with 95 % intervals:</p>"
          table head (cells body) ]

/// Writes index.html of a folder of runs, from what lies in it alone: whichever commands left it there, sweeps too.
///
/// metric: what runs of older versions are judged by, whose summaries do not say it; order: rows that come first, the one that others are
/// compared with at their head.
let save (folder: string) metric (order: string list) =
    let isRun run = File.Exists(Path.Combine(run, "config.json"))
    let folders = Directory.GetDirectories folder |> Array.filter isRun |> Array.sortWith (fun a b -> String.CompareOrdinal(a, b)) |> List.ofArray
    let place (row: Results.Row) = order |> List.tryFindIndex ((=) row.Row) |> Option.defaultValue order.Length
    let results = ResultsFile.gather folder metric |> List.sortBy place
    let inTables = counted results
    let isThere (file: string) = File.Exists(Path.Combine(folder, file))

    let top =
        [ for file, words in [ "comparison.html", "comparison of the curves"; "results.csv", "results.csv, a line a run" ] do
              if isThere file then link [ file ] words ]

    let body =
        [ if not top.IsEmpty then markup $"""<p>{concat " · " top}</p>"""
          if isThere "comparison.png" then markup "<p><img src=\"comparison.png\" alt=\"curves of all rows\"></p>"
          for _, rows in inTables |> List.groupBy (fun row -> row.Preset, row.Metric) do yield! tables rows
          markup "<h2>runs</h2>"
          table [ "folder"; "row"; "seed"; "test"; "state"; "" ] (folders |> List.map (runRow results inTables)) ]

    let name = DirectoryInfo(Path.GetFullPath folder).Name
    let introduction = $"{folders.Length} runs, {results.Length} with results. Means of several seeds have 95 %% intervals."
    Html.page name style introduction (concat "\n" body) |> Html.save (Path.Combine(folder, "index.html"))
