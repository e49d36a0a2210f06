/// The curves of runs that commands of many kinds have left, side by side.
module Noisy.Scripts.Curves

open System
open System.IO
open Noisy.Experiments
open Noisy.FSharp
open Noisy.FSharp.Options
open Noisy.Scripts.Found
open TorchSharp

/// Draws comparison.png and comparison.html of runs of one experiment and preset, and writes their validations beside them; runs without a log
/// are left out.
///
/// found: distinct runs, whose data must be at hand. Raises UsageException where they are not of one kind, or no run has a log.
let draw folder (found: Found list) =
    let hasLog (f: Found) = File.Exists(Path.Combine(f.Folder, "log.jsonl"))
    let logged = found |> List.filter hasLog |> List.sortBy (fun f -> place f.Summary, f.Summary.Seed)

    match logged |> List.distinctBy (fun f -> f.Summary.Experiment, f.Summary.Preset, f.Summary.Data.Sha256) with
    | [] -> refuse "--curves: no run that was found has a log.jsonl: name folders of runs with --runs"
    | [ one ] ->
        match config one.Summary with
        | None -> refuse $"--curves: {one.Folder} is of '{one.Summary.Experiment}', whose own script draws its runs: repeat its command"
        | Some(experiment, config) ->
            let cache = DataCache(DataCacheSettings.FromEnvironment null, Action<string>(printfn "%s"))
            use task = experiment.Build(config, cache, torch.CPU)

            if task.Data.Sha256 <> one.Summary.Data.Sha256 then
                let words (data: DataIdentity) = $"{data.Name}, {data.Source}, SHA-256 {data.Sha256[..11]}"
                let theirs, ours = words one.Summary.Data, words task.Data
                refuse $"--curves: {one.Folder} was trained on {theirs}; at hand are {ours}: name the folder of its data by NOISY_DATA"

            Directory.CreateDirectory folder |> ignore
            let runs = [ for f in logged -> name f.Summary, f.Folder ]
            let preset = one.Summary.Preset
            keepValidations folder (logged |> List.filter _.Summary.Finished)
            Pictures.compare folder $"{experiment.Name}, {preset}" (Runs.viewOf experiment task) (experiment.Curves preset) runs
    | _ -> refuse "--curves: the runs are of several experiments, presets or data sets: name fewer folders with --runs"
