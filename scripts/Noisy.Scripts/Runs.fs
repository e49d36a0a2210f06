/// Runs an experiment: every row with every seed, one after another.
module Noisy.Scripts.Runs

open System
open System.IO
open System.Threading
open Noisy.Core
open Noisy.Models
open TorchSharp
open Noisy.Scripts.Extras
open Noisy.Scripts.Options

/// A run that was asked for.
type Run = { Row: string; Config: TrainConfig; Folder: string }

/// The config of a run: the preset, then the row and the seed, then the fields that --set names.
let private config (experiment: Experiment) (options: Options) (row: string) (seed: int64) =
    let start = experiment.RowConfig(options.Preset, row).With("seed", string seed)
    (start, options.Set) ||> List.fold (fun config (name, value) -> config.With(name, value))

let private brokenRules (config: TrainConfig) =
    try
        config.Validate()
        []
    with :? InvalidSpecException as e ->
        List.ofSeq e.Broken

/// All runs of a command, checked before the first one starts.
///
/// Raises UsageException for an unknown preset or field, InvalidSpecException with every broken rule of every config.
let plan (experiment: Experiment) (options: Options) =
    let runs =
        [ for row in options.Rows do
              for seed in options.Seeds do
                  { Row = row
                    Config = config experiment options row seed
                    Folder = Path.Combine(options.Out, $"{options.Preset}-{row}-s{seed}") } ]

    match runs |> List.collect (fun run -> brokenRules run.Config) |> List.distinct with
    | [] -> runs
    | broken -> raise (InvalidSpecException(ResizeArray broken))

let private where (options: Options) =
    let threads = if options.Threads = 1 then "1 thread" else $"{options.Threads} threads"
    if options.Device.``type`` = DeviceType.CUDA then $"cuda, {threads}" else $"cpu, {threads}"

/// "ptb (real), SHA-256 …": which data a run sees.
let private describe (experiment: Experiment) (data: DataIdentity) =
    let kind =
        if data.Source = DataIdentity.Real then "real"
        elif experiment.TakesRealData then "built-in: generated, no real data were named by --data or NOISY_DATA"
        else "generated"

    $"data: {data.Name} ({kind}), SHA-256 {data.Sha256[..11]}"

/// How a run's sitting ended.
type private Ending =
    | Done of RunSummary
    | Interrupted
    | Diverged of DivergedException

/// What is known of a run after its sitting.
type private Outcome = { Run: Run; View: Pictures.View; Ending: Ending }

/// Trains one run and draws its curves, however it ends.
let private train (experiment: Experiment) options (cache: DataCache) (extras: Extras) (said: string ref) run stop =
    FusedEngine.Path <- options.Engine // before the model is made
    use task = experiment.Build(run.Config, cache, options.Device)
    let data = describe experiment task.Data

    if said.Value <> data then
        printfn "%s" data
        for note in task.DataNotes do printfn "  %s" note
        said.Value <- data

    let reporter = Progress.Reporter(Progress.isTerminal (), where options, run.Row, task)
    let place = TrainOptions(run.Folder, options.Device, options.Threads, Option.toNullable options.MaxUpdates)
    let paper = experiment.Paper(run.Config, task.Data)
    let floor = experiment.Floor task

    let ending =
        try
            try
                match Trainer.Run(run.Config, task, place, paper, floor, reporter, stop) with
                | null -> Interrupted
                | summary -> Done summary
            with :? DivergedException as error ->
                Diverged error
        finally
            reporter.Close()

    let levels =
        [ if floor.HasValue then "best attainable", floor.Value
          match experiment.Baseline task with
          | null -> ()
          | level -> level.Name, level.Value ]

    let view = Pictures.view task levels
    extras.Try($"the curves of {run.Folder}", fun () -> Pictures.ofRun run.Folder view run.Row run.Config task.Data paper)
    if ending.IsDone then extras.Try($"the pictures of {run.Folder}", fun () -> Drawings.ofRun run.Folder task run.Config)
    { Run = run; View = view; Ending = ending }

/// Trains what was planned until it is done or interrupted; a run that diverges does not keep the others from theirs. The outcomes in
/// order.
let private trainAll experiment options extras runs stop =
    let cache = DataCache(DataCacheSettings.FromEnvironment(Option.toObj options.Data), Action<string>(printfn "%s"))
    let said = ref ""

    let rec go outcomes remaining =
        match remaining with
        | [] -> List.rev outcomes
        | run :: rest ->
            let outcome = train experiment options cache extras said run stop
            let outcomes = outcome :: outcomes
            match outcome.Ending with
            | Interrupted -> List.rev outcomes
            | Diverged error when not rest.IsEmpty ->
                printfn "%s" error.Message
                printfn "the other runs go on"
                go outcomes rest
            | _ -> go outcomes rest

    go [] runs

/// The comparison picture, results.csv with all runs of the folder, and the table of the command's own.
let private report (experiment: Experiment) options (extras: Extras) outcomes =
    let view = (List.head outcomes).View
    let folders = outcomes |> List.map (fun o -> o.Run.Row, o.Run.Folder)
    extras.Try($"the comparison in {options.Out}", fun () ->
        Pictures.compare options.Out $"{experiment.Name}, {options.Preset}" view (experiment.Curves options.Preset) folders)

    let row outcome summary = Results.row view.Metric outcome.Run.Row outcome.Run.Folder summary

    match [ for o in outcomes do match o.Ending with Done summary -> row o summary | _ -> () ] with
    | [] -> ()
    | rows ->
        extras.Try($"results.csv in {options.Out}", fun () -> ResultsFile.update options.Out view.Metric)
        printfn ""
        Results.print (Results.frame rows)

/// A whole experiment script.
///
/// name: the experiment; words: the command line after the script's name. Returns the exit code.
let main (name: string) (words: string[]) =
    Host.run (fun stop ->
        let experiment = ExperimentRegistry.ByName name

        match Options.ofExperiment experiment words with
        | None -> 0
        | Some options ->
            TorchNative.EnsureLoaded()
            let extras = Extras(eprintfn "%s")
            let outcomes = trainAll experiment options extras (plan experiment options) stop
            report experiment options extras outcomes

            let diverged = outcomes |> List.tryPick (fun o -> match o.Ending with Diverged error -> Some error | _ -> None)

            match (List.last outcomes).Ending, diverged with
            | Interrupted, _ ->
                printfn "interrupted: the same command goes on from here"
                Host.interrupted
            | _, Some error -> raise error
            | _, None when extras.Failed ->
                refuse $"the runs in {options.Out} are done, but not all of their pictures and tables could be written (see above): make room, then repeat the command, which draws the curves again"
            | _, None ->
                printfn "curves and results.csv are in %s" options.Out
                0)
