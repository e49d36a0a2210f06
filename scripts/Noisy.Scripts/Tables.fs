/// Gathers run folders into Markdown, with the paper's numbers beside ours.
module Noisy.Scripts.Tables

open System
open System.Collections.Generic
open System.Globalization
open System.IO
open Argu
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.FSharp.Options
open Noisy.Scripts.Found

/// What the runs of one row have in common: all but the seed.
let private group (found: Found) =
    identity found.Summary, found.Summary.Finished, (if found.Summary.Finished then 0L else found.Summary.Updates)

/// The published figure beside a run: as this version sees it, else what its summary says.
let private paper (summary: RunSummary) =
    match config summary with
    | Some(experiment, config) -> experiment.Paper(config, summary.Data)
    | None -> summary.Paper

let private count (n: int64) = n.ToString("#,0", CultureInfo.InvariantCulture)

let private valueOf (name: string) (values: IReadOnlyDictionary<string, float>) =
    match values.TryGetValue name with
    | true, value -> [ value ]
    | _ -> []

/// Metrics that are shown beside the one that runs are judged by.
let private beside = [ "bleu1"; "bleu2"; "bleu3"; "bleu"; "meteor" ]

/// A row of a table: runs that differ in their seeds alone.
type private Row = { Name: string; Runs: Found list }

let private values metric split (row: Row) = row.Runs |> List.collect (fun f -> valueOf metric (split f.Summary.Metrics))

/// A table's columns, each with its cell of a row; those that have nothing to show are left out.
let private columns metric (rows: Row list) =
    let mean metric split row = Metrics.mean metric (values metric split row)
    let summary (row: Row) = row.Runs.Head.Summary
    let title name = Metrics.title name
    let solved row = row.Runs |> List.choose (fun f -> Solving.hasSolved metric f.Summary)

    let published row =
        match paper (summary row) with
        | null -> "–"
        | paper ->
            let figure (value: Nullable<float>) = if value.HasValue then Metrics.figure metric value.Value else "–"
            $"{figure paper.Valid} / {figure paper.Test} ({paper.Confidence})"

    let ended (summary: RunSummary) = count summary.Updates + (if summary.SolvedAtUpdate.HasValue then " (solved)" else "")

    let state row =
        let first = summary row

        if first.Finished then
            let ends = row.Runs |> List.map (fun f -> ended f.Summary)
            if (List.distinct ends).Length = 1 then ends.Head else String.Join(", ", ends)
        else $"**unfinished**, {count first.Updates} (%.1f{first.Epochs} epochs)"

    let all: (string * (Row -> string)) list =
        [ "row", _.Name
          $"train {title metric}", mean metric _.Train
          "valid", mean metric _.Valid
          "test", mean metric _.Test
          for name in beside do title name, mean name _.Test
          if rows |> List.exists (solved >> List.isEmpty >> not) then
              "test: median (quartiles)", fun row -> Metrics.median metric (values metric _.Test row)
              "solved", fun row -> match solved row with [] -> "–" | runs -> Metrics.solved runs
          "paper: valid / test", published
          "floor", fun row -> (let floor = (summary row).Floor in if floor.HasValue then Metrics.figure metric floor.Value else "–")
          "seeds", fun row -> string row.Runs.Length
          "updates", state
          "path", fun row -> $"{(summary row).Backend}, {(summary row).Device}" ]

    all |> List.filter (fun (_, cell) -> rows |> List.exists (cell >> (<>) "–"))

let private markdownTable (head: string list) (body: string list list) =
    let line (cells: string list) = "| " + String.Join(" | ", cells |> List.map _.Replace("|", "\\|")) + " |"
    [ line head; "|" + String.replicate head.Length "---|"; for cells in body do line cells ]

/// What the rows differ by from the first, seed by seed: finished runs on the same data.
let private differences metric (rows: Row list) =
    let keyed metric split (row: Row) =
        [ for f in row.Runs do
              if f.Summary.Finished then
                  for value in valueOf metric (split f.Summary.Metrics) -> (f.Summary.Data.Sha256, f.Summary.Seed), value ]

    let reference, others = rows.Head, rows.Tail
    let valid, test = (fun (metrics: SplitMetrics) -> metrics.Valid), (fun (metrics: SplitMetrics) -> metrics.Test)

    let columns =
        [ yield! [ $"valid {Metrics.title metric}", metric, valid; $"test {Metrics.title metric}", metric, test ]
          for name in beside do if not (values name test reference).IsEmpty then Metrics.title name, name, test ]

    match [ for row in others do
                let difference (_, metric, split) = Metrics.difference metric (keyed metric split row) (keyed metric split reference)
                let found = List.map difference columns
                if List.exists Option.isSome found then row.Name :: List.map (Option.defaultValue "–") found ] with
    | [] -> []
    | body -> [ ""; yield! markdownTable [ $"less {reference.Name}, seed by seed"; for title, _, _ in columns do title ] body ]

/// The Markdown of everything that was found.
let markdown (found: Found list) =
    let heading (f: Found) =
        let s = f.Summary
        let title = match paper s with null -> "" | figure -> $", {figure.Table} of the paper"
        s.Experiment, s.Preset, $"{s.Data.Name}, {s.Data.Source}", title

    let sections = distinct found |> List.groupBy (fun f -> (let e, p, d, _ = heading f in e, p, d), metric f.Summary)

    let section (((experiment, preset, data), metric), (runs: Found list)) =
        let table = runs |> List.tryPick (fun f -> (let _, _, _, title = heading f in if title = "" then None else Some title))
        let rows =
            runs
            |> List.groupBy group
            |> List.map snd
            |> List.sortBy (fun group -> not group.Head.Summary.Finished, place group.Head.Summary)
            |> List.map (fun group -> { Name = name group.Head.Summary; Runs = group })

        let columns = columns metric rows

        [ $"## {experiment}, preset {preset} ({data}){defaultArg table String.Empty}"
          ""
          yield! markdownTable (List.map fst columns) [ for row in rows -> [ for _, cell in columns -> cell row ] ]
          yield! differences metric rows
          "" ]

    let preface =
        [ "# Results"
          ""
          "Written by `scripts/tables.fsx` from the `summary.json` of each run; do not edit. Where a row has several seeds: the mean with its"
          "95 % interval (bootstrap with the expansion for small samples; Student's t below five seeds, which two seeds make very wide). Below"
          "each table is what its rows differ by from the first, seed by seed; a difference has a sign only where its interval excludes 0."
          "\"Train\" is over the last epoch's batches with their noise, \"floor\" the best that anyone can reach on a source that is known exactly, \"solved\" how"
          "many runs reach in validation what counts as the solution (`stopAt`; for `unique` an error of 1 %). \"Recalled\" marks a published number"
          "that could not be read in a source (`docs/paper.md`)."
          "" ]

    if sections.IsEmpty then String.Join("\n", preface @ [ "No runs yet."; "" ])
    else String.Join("\n", preface @ List.collect section sections)

/// Copies the summaries to folder/experiment/run/summary.json, except those that are there already; the files written.
let keep (folder: string) (found: Found list) =
    [ for f in found do
          let target = Path.Combine(folder, f.Summary.Experiment, Path.GetFileName f.Folder, "summary.json")
          let source = Path.Combine(f.Folder, "summary.json")

          if Path.GetFullPath source <> Path.GetFullPath target then
              Directory.CreateDirectory(Path.GetDirectoryName target) |> ignore
              File.Copy(source, target, overwrite = true)
              target ]

/// The options as Argu reads them.
[<RequireQualifiedAccess>]
type Argument =
    | Runs of folder: string list
    | [<Unique>] Out of file: string
    | [<Unique>] Answer of file: string
    | [<Unique>] Study of file: string
    | [<Unique>] Curves of folder: string
    | [<Unique>] Keep

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Runs _ -> "folders to search for runs (default: runs and docs/results)"
            | Out _ -> "file to write instead of the terminal, such as docs/results.md"
            | Answer _ -> "Markdown file, such as docs/experiments.md, whose block of claims and verdicts to renew"
            | Study _ -> "Markdown file, such as docs/noise-or-leak.md, whose block of effects to renew, with the picture of the same name"
            | Curves _ -> "folder for comparison.png, comparison.html and validations.csv of all runs that were found, which must be of one experiment and preset"
            | Keep -> "copy the summaries that were found to docs/results/<experiment>/<run>/summary.json"

/// The script; the exit code.
let main (words: string[]) =
    Host.run (fun _ ->
        match parse<Argument> "tables" (fun () -> "Gathers run folders into Markdown, with the paper's numbers beside ours.") words with
        | None -> 0
        | Some given ->
            let folders =
                match given.GetResults Argument.Runs with
                | [] -> [ "runs"; "docs/results" ]
                | words -> someElements "--runs" (List.concat words)

            for folder in folders do
                if not (given.GetResults(Argument.Runs).IsEmpty || Directory.Exists folder) then
                    refuse $"--runs: there is no folder '{folder}'"

            let found = gather folders

            if given.Contains Argument.Keep then
                for file in keep (Path.Combine("docs", "results")) found do
                    eprintfn "kept %s" file

            let renew (file: string option) name text =
                match file with
                | None -> ()
                | Some file ->
                    let renewed = Block.renew name file (if File.Exists file then File.ReadAllText file else "") (text (distinct found))
                    writing $"--{name}" file (fun () -> AtomicFile.Write(file, renewed))
                    printfn "%s: the %s of %d runs" file name (distinct found).Length

            renew (given.TryGetResult Argument.Answer) "answer" Answer.markdown
            renew (given.TryGetResult Argument.Study) "study" Study.markdown

            match given.TryGetResult Argument.Study with
            | None -> ()
            | Some file -> Plots.savePng (Path.ChangeExtension(file, ".png")) (620, 430) (Study.figure (distinct found))

            match given.TryGetResult Argument.Curves with
            | None -> ()
            | Some folder ->
                writing "--curves" folder (fun () -> Curves.draw folder (distinct found))
                printfn "%s: %d runs" (Path.Combine(folder, "comparison.png")) (distinct found).Length

            match given.TryGetResult Argument.Out with
            | None when given.Contains Argument.Answer || given.Contains Argument.Study || given.Contains Argument.Curves -> ()
            | None -> printf "%s" (markdown found)
            | Some file ->
                writing "--out" file (fun () ->
                    Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath file)) |> ignore
                    File.WriteAllText(file, markdown found))

                printfn "%s: %d runs" file (distinct found).Length

            0)
