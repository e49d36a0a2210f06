/// scripts/sweep.fsx: sweeps of the paper's experiments, and of scripts of the user's own.
module Noisy.Scripts.SweepScript

open System
open System.Diagnostics
open System.IO
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.FSharp.Options

let private names = String.Join(", ", [ for experiment in PaperExperiments.All -> experiment.Name ])

let private help =
    $"""Sweeps: rows × settings × seeds as runs of their own, side by side on this machine or on a Slurm cluster.

    dotnet fsi scripts/sweep.fsx -- EXPERIMENT --row LIST --seed LIST --set name=LIST ... [--on slurm] [--out DIR]
    dotnet fsi scripts/sweep.fsx -- status DIR | cancel DIR | collect DIR
    dotnet fsi scripts/sweep.fsx -- EXPERIMENT --help                       all options

EXPERIMENT is {names}, or a script of your own that ends in Run.script ..., such as
examples/adding.fsx. docs/sweeps.md tells more.

EXIT CODES: 0 all runs done, or given to Slurm; 4 some diverged; 1, 2, 3 as the first run that failed; 130 interrupted, checkpoints written."""

/// Starts a script of the user's own, which alone knows its experiment, with words for it; its exit code.
let private ofOwn (script: string) (words: string list) =
    if not (File.Exists script) then refuse $"there is no script {script}"
    let fsi = Environment.GetCommandLineArgs()[0]
    let start = ProcessStartInfo(Environment.ProcessPath, [ fsi; "--quiet"; "--nologo"; Path.GetFullPath script; "--"; "sweep" ] @ words)
    start.Environment["NOISY_PARENT"] <- string Environment.ProcessId
    Launcher.wait start

/// Whether a program is a script of the paper's experiments, in this folder.
let private isOurs (scripts: string) (program: string list) =
    program |> List.exists (fun word -> word.EndsWith ".fsx" && Path.GetDirectoryName word = Path.GetFullPath scripts)

let private work (scripts: string) (words: string list) stop =
    let paper name = PaperExperiments.All |> Seq.tryFind (fun experiment -> experiment.Name = name)

    match Sweeps.look words, words with
    | Some code, _ -> code
    | None, ([] | [ "help" | "--help" | "-h" ]) ->
        printfn "%s" help
        if words.IsEmpty then 2 else 0
    | None, [ "collect"; folder ] ->
        let sweep = Manifest.read folder

        if isOurs scripts sweep.Program then
            Sweeps.collect (Drawings.experiment sweep.Experiment) folder |> ignore
            0
        else
            match sweep.Program |> List.tryFind (fun word -> word.EndsWith ".fsx") with
            | Some script -> ofOwn script words
            | None ->
                let program = String.Join(" ", sweep.Program)
                refuse $"the sweep in {folder} was begun by a program of its own: have it collected by that, {program} sweep collect {folder}"
    | None, name :: rest when (paper name).IsSome ->
        TorchNative.EnsureLoaded()
        Sweeps.work (Drawings.experiment name) (fun () -> Sweeps.program (Some(Path.Combine(scripts, name + ".fsx")))) rest stop
    | None, script :: rest when script.EndsWith(".fsx", StringComparison.OrdinalIgnoreCase) -> ofOwn script rest
    | None, other :: _ -> refuse $"there is no experiment '{other}': known are {names}, and files that end in .fsx; or status, cancel and collect with the folder of a sweep"

/// The script. scripts: the folder of the paper's scripts. Returns the exit code.
let main scripts words = Host.run (work scripts (List.ofArray words))
