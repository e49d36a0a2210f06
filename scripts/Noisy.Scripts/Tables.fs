/// Gathers run folders into Markdown, with the paper's numbers beside ours.
module Noisy.Scripts.Tables

open System
open System.Collections.Generic
open System.Globalization
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open Argu
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.FSharp.Options

/// A summary and the folder that it was found in.
type Found = { Folder: string; Summary: RunSummary }

/// Every summary.json at or below the folders, in the order of their paths; a folder that is not there holds none.
let gather (folders: string seq) =
    [ for folder in folders do
          if Directory.Exists folder then
              for file in Directory.EnumerateFiles(folder, "summary.json", SearchOption.AllDirectories) |> Seq.sortWith (fun a b -> String.CompareOrdinal(a, b)) do
                  { Folder = Path.GetDirectoryName file; Summary = RunSummary.Read file } ]

/// A run's config as this version reads it; None if it does not know the experiment.
let private config (summary: RunSummary) =
    match PaperExperiments.All |> Seq.tryFind (fun e -> e.Name = summary.Experiment) with
    | None -> None
    | Some experiment ->
        try Some(experiment, ConfigJson.Read(summary.Config, experiment.Presets[0].Settings.GetType())) with :? JsonException -> None

/// A run's config as text, without the seed: equal where older versions knew fewer fields.
let private identity (summary: RunSummary) =
    let fields =
        match config summary with
        | Some(_, config) -> ConfigJson.ToJson config
        | None -> summary.Config.DeepClone().AsObject()

    fields.Remove "seed" |> ignore
    fields.Remove "data" |> ignore
    fields.ToJsonString ConfigJson.Line, summary.Data.Sha256

/// The same run found twice counts once: the one that is further, of equals the first.
let distinct (found: Found list) =
    found
    |> List.groupBy (fun f -> f.Summary.Experiment, identity f.Summary, f.Summary.Seed)
    |> List.map (fun (_, same) -> same |> List.maxBy _.Summary.Updates)

/// What the runs of one row have in common: all but the seed.
let private group (found: Found) =
    identity found.Summary, found.Summary.Finished, (if found.Summary.Finished then 0L else found.Summary.Updates)

/// What a row of a table is called: as in its experiment, else the activation with the fields that leave the preset's.
let private name (summary: RunSummary) =
    match config summary with
    | None -> summary.Activation
    | Some(experiment, config) ->
        match experiment.RowOf config with
        | null ->
            let now = ConfigJson.ToJson config
            let preset = try ConfigJson.ToJson(experiment.Config config.Preset) with :? UsageException -> now

            let fields =
                [ for field in now do
                      if not (List.contains field.Key [ "activation"; "seed" ]) && not (JsonNode.DeepEquals(field.Value, preset[field.Key])) then
                          let text = if isNull field.Value then "null" else field.Value.ToJsonString(ConfigJson.Line).Trim '"'
                          $"{field.Key}={text}" ]

            if fields.IsEmpty then summary.Activation else summary.Activation + " (" + String.Join(", ", fields) + ")"
        | row -> row

/// The published figure beside a run: as this version sees it, else what its summary says.
let private paper (summary: RunSummary) =
    match config summary with
    | Some(experiment, config) -> experiment.Paper(config, summary.Data)
    | None -> summary.Paper

/// The metric that a run is judged by; older summaries do not say it.
let private metric (summary: RunSummary) =
    let known = [ "perplexity"; "bpc"; "error"; "accuracy"; "bleu"; "nll" ]

    if not (isNull summary.Metric) then summary.Metric
    elif not (isNull (box summary.Paper)) then summary.Paper.Metric
    else known |> List.tryFind summary.Metrics.Test.ContainsKey |> Option.defaultWith (fun () -> Seq.head summary.Metrics.Test.Keys)

let private count (n: int64) = n.ToString("#,0", CultureInfo.InvariantCulture)

let private valueOf (name: string) (values: IReadOnlyDictionary<string, float>) =
    match values.TryGetValue name with
    | true, value -> [ value ]
    | _ -> []

/// One line of a table.
let private row metric (runs: Found list) =
    let first = runs.Head.Summary
    let all split = runs |> List.collect (fun f -> valueOf metric (split f.Summary.Metrics)) |> Metrics.spread metric
    let paper = paper first

    let published =
        if isNull (box paper) then
            "–"
        else
            let figure (value: Nullable<float>) = if value.HasValue then Metrics.figure metric value.Value else "–"
            $"{figure paper.Valid} / {figure paper.Test} ({paper.Confidence})"

    let ended (summary: RunSummary) = count summary.Updates + (if summary.SolvedAtUpdate.HasValue then " (solved)" else "")

    let state =
        if first.Finished then
            let ends = runs |> List.map (fun f -> ended f.Summary)
            if (List.distinct ends).Length = 1 then ends.Head else String.Join(", ", ends)
        else $"**unfinished**, {count first.Updates} (%.1f{first.Epochs} epochs)"

    let besides =
        [ for name in [ "bleu1"; "bleu2"; "bleu3"; "bleu"; "meteor" ] do
              match runs |> List.collect (fun f -> valueOf name f.Summary.Metrics.Test) with
              | [] -> ()
              | values -> $"; {Metrics.title name} {Metrics.spread name values}" ]
        |> String.concat ""

    let cells =
        [ name first
          all _.Train
          all _.Valid
          all _.Test + besides
          published
          (if first.Floor.HasValue then Metrics.figure metric first.Floor.Value else "–")
          string runs.Length
          state
          $"{first.Backend}, {first.Device}" ]

    "| " + String.Join(" | ", cells |> List.map _.Replace("|", "\\|")) + " |"

/// The Markdown of everything that was found.
let markdown (found: Found list) =
    let heading (f: Found) =
        let s = f.Summary
        let title = match paper s with null -> "" | figure -> $", {figure.Table} of the paper"
        s.Experiment, s.Preset, $"{s.Data.Name}, {s.Data.Source}", title

    let sections = distinct found |> List.groupBy (fun f -> (let e, p, d, _ = heading f in e, p, d), metric f.Summary)

    let section (((experiment, preset, data), metric), (runs: Found list)) =
        let table = runs |> List.tryPick (fun f -> (let _, _, _, title = heading f in if title = "" then None else Some title))
        let place (summary: RunSummary) =
            let rows =
                match config summary with
                | Some(experiment, config) -> [ for row in experiment.DefaultRows do row ] @ [ for row in experiment.Rows config.Preset do row.Name ]
                | None -> []

            rows @ [ for variant in Noisy.Core.Variants.All do variant.Name ]
            |> List.tryFindIndex ((=) (name summary))
            |> Option.defaultValue Int32.MaxValue

        let rows =
            runs
            |> List.groupBy group
            |> List.map snd
            |> List.sortBy (fun group -> not group.Head.Summary.Finished, place group.Head.Summary, name group.Head.Summary)
            |> List.map (row metric)

        [ $"## {experiment}, preset {preset} ({data}){defaultArg table String.Empty}"
          ""
          $"| row | train {Metrics.title metric} | valid | test | paper: valid / test | floor | seeds | updates | path |"
          "|---|---|---|---|---|---|---|---|---|"
          yield! rows
          "" ]

    let preface =
        [ "# Results"
          ""
          "Written by `scripts/tables.fsx` from the `summary.json` of each run; do not edit. Mean ± sample standard deviation over"
          "seeds. \"Train\" is over the last epoch's batches with their noise, \"floor\" the best that anyone can reach on a source"
          "that is known exactly. \"Recalled\" marks a published number that could not be read in a source (`docs/paper.md`)."
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
    | [<Unique>] Keep

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Runs _ -> "folders to search for runs (default: runs and docs/results)"
            | Out _ -> "file to write instead of the terminal, such as docs/results.md"
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

            let text = markdown found

            match given.TryGetResult Argument.Out with
            | None -> printf "%s" text
            | Some file ->
                writing "--out" file (fun () ->
                    Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath file)) |> ignore
                    File.WriteAllText(file, text))

                printfn "%s: %d runs" file (distinct found).Length

            0)
