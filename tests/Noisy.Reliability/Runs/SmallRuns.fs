/// All nine experiments, so small that each trains in a second or two, and with as many kinds of state as they have.
module Noisy.Reliability.SmallRuns

open System
open System.IO
open System.Text.RegularExpressions
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Reliability.Program

type SmallRun = { Experiment: string; Row: string; Fields: string list }

let all =
    let small experiment row fields = { Experiment = experiment; Row = row; Fields = fields }

    [ small "mnist" "nah" [ "trainImages=600"; "hidden=16"; "epochs=8"; "batch=50" ]
      small "gmm" "nan" [ "epochUpdates=20"; "validPoints=300"; "testPoints=300"; "epochs=5" ]
      small "charlm" "nanis" [ "trainTokens=6000"; "hidden=12"; "bptt=25"; "epochs=5"; "keepBest=true" ]
      small "lte" "nah" [ "hidden=12"; "epochUpdates=20"; "evaluationWindows=2"; "epochs=5"; "curriculum=combined by results" ]
      small "ptb" "nah" [ "hidden=12"; "trainTokens=8000"; "epochs=5"; "dropout=0.2"; "learningRate=0.1"; "schedule=paper" ]
      small "nmt" "nah" [ "trainPairs=320"; "hidden=12"; "epochs=3"; "attention=8"; "embedding=8" ]
      small "captions" "nah" [ "trainImages=64"; "hidden=12"; "attention=8"; "embedding=8"; "epochs=4" ]
      small "unique" "nan-annealed" [ "epochUpdates=20"; "validExamples=100"; "testExamples=100"; "epochs=5"; "hidden=8" ]
      small "ntm" "nan" [ "epochUpdates=20"; "validationBatches=5"; "epochs=5"; "hidden=12"; "memoryRows=16"; "memoryWidth=8" ] ]

let named name = all |> List.tryFind (fun small -> small.Experiment = name)

/// The command that trains one into a folder.
let command small out (more: string list) =
    [ "run"; small.Experiment; "--row"; small.Row; "--seed"; "1"; "--threads"; "1"; "--device"; "cpu"; "--data"; "built-in"; "--out"; out ]
    @ List.collect (fun field -> [ "--set"; field ]) small.Fields
    @ more

/// The run's own folder within the folder of the results.
let folder small out =
    let experiment = PaperExperiments.ByName small.Experiment

    match Options.ofExperiment experiment (Array.ofList (List.skip 2 (command small out []))) with
    | Some options -> (Runs.plan experiment options |> fst |> List.exactlyOne).Folder
    | None -> invalidOp "taken for --help"

/// What a finished run leaves, without what time decides.
///
/// Names: all files of the results' folder but the log, which stands by itself, and checkpoints and lock, whose names may differ.
type Left = { Log: string; Summary: string; Weights: string; Names: Set<string> }

let private timed = Regex("\"(seconds|tokens_per_second|sum)\": [^,]+")
let private text path = if File.Exists path then File.ReadAllText path else ""

let left small out =
    let inside name = Path.Combine(folder small out, name)
    let relative (file: string) = Path.GetRelativePath(out, file).Replace('\\', '/')
    let ofRun (name: string) = not (name.Contains "/checkpoint/" || name.EndsWith "/.lock" || name.EndsWith "/log.jsonl")

    { Log = text (inside "log.jsonl")
      Summary = timed.Replace(text (inside "summary.json"), "")
      Weights = if File.Exists(inside "weights.safetensors") then DataFile.Sha256(File.ReadAllBytes(inside "weights.safetensors")) else ""
      Names =
        if not (Directory.Exists out) then
            Set.empty
        else
            set [ for file in Directory.GetFiles(out, "*", SearchOption.AllDirectories) do
                      if ofRun (relative file) then
                          if FileInfo(file).Length = 0L then relative file + " (empty)" else relative file ] }

/// In what a run differs from another; nothing if they are equal.
let differences (expected: Left) (found: Left) =
    let names kind (set: Set<string>) = if set.IsEmpty then [] else [ let list = String.Join(", ", set) in $"{kind}: {list}" ]

    [ if found.Weights <> expected.Weights then "other weights"
      if found.Summary <> expected.Summary then "another summary"
      if found.Log <> expected.Log then "another log" ]
    @ names "missing" (expected.Names - found.Names)
    @ names "left over" (found.Names - expected.Names)

/// An uninterrupted run, to compare others with.
type Whole = { Small: SmallRun; Left: Left; Seconds: float; Bytes: int64 }

let longest = 300.0

let whole (root: string) small =
    let out = Path.Combine(root, "whole-" + small.Experiment)
    use child = new Child(command small out [])
    let ended = child.End longest
    if ended.Code <> 0 then failwith $"{small.Experiment} does not run at all: exit code {ended.Code}: {ended.Errors}"
    let bytes = Directory.GetFiles(out, "*", SearchOption.AllDirectories) |> Array.sumBy (fun file -> FileInfo(file).Length)
    { Small = small; Left = left small out; Seconds = ended.Seconds; Bytes = bytes }
