/// The runs that lie below some folders, as their summaries tell of them.
module Noisy.Scripts.Found

open System
open System.Globalization
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp

/// A summary and the folder that it was found in.
type Found = { Folder: string; Summary: RunSummary }

/// Every summary.json at or below the folders, in the order of their paths; a folder that is not there holds none.
let gather (folders: string seq) =
    [ for folder in folders do
          if Directory.Exists folder then
              for file in Directory.EnumerateFiles(folder, "summary.json", SearchOption.AllDirectories) |> Seq.sortWith (fun a b -> String.CompareOrdinal(a, b)) do
                  { Folder = Path.GetDirectoryName file; Summary = RunSummary.Read file } ]

/// A run's config as this version reads it; None if it does not know the experiment.
let config (summary: RunSummary) =
    match Solving.experiment summary with
    | None -> None
    | Some experiment ->
        try Some(experiment, ConfigJson.Read(summary.Config, experiment.Presets[0].Settings.GetType())) with :? JsonException -> None

/// A run's config as text, without the seed: equal where older versions knew fewer fields.
let identity (summary: RunSummary) =
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

/// The metric that a run is judged by; older summaries do not say it.
let metric (summary: RunSummary) =
    let known = [ "perplexity"; "bpc"; "error"; "accuracy"; "bleu"; "nll" ]

    if not (isNull summary.Metric) then summary.Metric
    elif not (isNull (box summary.Paper)) then summary.Paper.Metric
    else known |> List.tryFind summary.Metrics.Test.ContainsKey |> Option.defaultWith (fun () -> Seq.head summary.Metrics.Test.Keys)

/// Where the validations of runs lie whose logs are not kept.
let validationsFile = "validations.csv"

/// A run's validations by update, each at the stage of its moment, in the metric that the run is judged by: from its log, else from the table
/// beside its folder. Empty if there is neither.
let validations (found: Found) : Map<int64, float> =
    let log, table = Path.Combine(found.Folder, "log.jsonl"), Path.Combine(Path.GetDirectoryName found.Folder, validationsFile)

    if File.Exists log then
        Map
            [ for event in Pictures.log found.Folder do
                  if event.IsEvaluation && not (isNull (box event.Valid)) then
                      match event.Valid.TryGetValue(metric found.Summary) with
                      | true, value -> event.Update, value
                      | _ -> () ]
    elif File.Exists table then
        Map
            [ for line in File.ReadLines table do
                  match line.Split ',' with
                  | [| run; weights; update; value |] when run = Path.GetFileName found.Folder && weights <> "" && found.Summary.WeightsSha256.StartsWith weights ->
                      Int64.Parse(update, CultureInfo.InvariantCulture), Double.Parse(value, CultureInfo.InvariantCulture)
                  | _ -> () ]
    else
        Map.empty

/// Writes the validations of runs into a folder's table, for `validations` to read where their logs are not.
let keepValidations (folder: string) (found: Found list) =
    let lines =
        [ "run,weights,update,validation"
          for f in found do
              for KeyValue(update, value) in validations f do
                  let value = value.ToString("R", CultureInfo.InvariantCulture)
                  $"{Path.GetFileName f.Folder},{f.Summary.WeightsSha256[..11]},{update},{value}" ]

    File.WriteAllText(Path.Combine(folder, validationsFile), String.Join("\n", lines) + "\n")

/// What a row of a table is called: as in its experiment, else as its command called it, else the activation with the fields that leave the preset's.
let name (summary: RunSummary) =
    match config summary with
    | None -> summary.Activation
    | Some(experiment, config) ->
        match experiment.RowOf config with
        | null when not (isNull summary.Label || summary.Label = summary.Activation) -> summary.Label
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

/// Where a run's row stands among the rows of its experiment: first those that are trained by default, last those that it does not know.
let place (summary: RunSummary) =
    let rows =
        match config summary with
        | Some(experiment, config) -> [ for row in experiment.DefaultRows do row ] @ [ for row in experiment.Rows config.Preset do row.Name ]
        | None -> []

    let name = name summary
    rows @ [ for variant in Noisy.Core.Variants.All do variant.Name ] |> List.tryFindIndex ((=) name) |> Option.defaultValue Int32.MaxValue, name

/// Whether a run is of a row, with these settings besides the row's, of a preset; its seed and its data may be any.
let isOf preset row (settings: (string * string) list) (found: Found) =
    match config found.Summary with
    | Some(experiment, config) when config.Preset = preset ->
        let expected = (experiment.RowConfig(preset, row), settings) ||> List.fold (fun config (name, value) -> config.With(name, value))
        config.With("seed", "1") = expected.With("seed", "1")
    | _ -> false
