/// Runs an experiment: every row with every seed, one after another.
module internal Noisy.FSharp.Runs

open System
open System.IO
open System.Threading
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open TorchSharp
open Noisy.FSharp.Extras
open Noisy.FSharp.Options
open Noisy.FSharp.Plan

/// The runs that the options ask for, and notes about settings that some rows do not take; see Plan.make.
let plan experiment options = Plan.make experiment options.Preset options.Rows options.Seeds options.Set options.Out

let private where (options: Options) =
    let threads = if options.Threads = 1 then "1 thread" else $"{options.Threads} threads"
    if options.Device.``type`` = DeviceType.CUDA then $"cuda, {threads}" else $"cpu, {threads}"

/// "ptb (real), SHA-256 …": which data a run sees.
let private describe (experiment: Experiment) (data: DataIdentity) =
    let kind =
        if data.Source = DataIdentity.Real then "real"
        elif data.Source = DataIdentity.Own then "own"
        elif experiment.TakesRealData then "built-in: generated, no real data were named by --data or NOISY_DATA"
        else "generated"

    $"data: {data.Name} ({kind}), SHA-256 {data.Sha256[..11]}"

/// How a run's session ended.
type Ending =
    | Done of RunSummary
    | Interrupted
    | Diverged of DivergedException

/// What is known of a run after its session.
type Outcome = { Run: Run; View: Pictures.View; Ending: Ending }

/// Draws what the experiment has of its own, unless it is there and as new as the run's summary: a run may have been killed before its
/// pictures were drawn.
let private drawings (experiment: Experiment) folder task config =
    let isNew since (file: string) =
        let path = Path.Combine(folder, file)
        File.Exists path && File.GetLastWriteTimeUtc path >= since

    match experiment.Pictures with
    | null -> ()
    | pictures ->
        let since = File.GetLastWriteTimeUtc(Path.Combine(folder, "summary.json"))
        if not (Seq.forall (isNew since) pictures.Files) then pictures.Draw.Invoke(folder, task, config)

/// How a task's runs are drawn, with the levels that its experiment knows.
let viewOf (experiment: Experiment) (task: ITrainingTask) =
    let floor = experiment.Floor task

    let levels =
        [ if floor.HasValue then "best attainable", floor.Value
          match experiment.Baseline task with
          | null -> ()
          | level -> level.Name, level.Value ]

    Pictures.view task levels

let private cacheOf (options: Options) = DataCache(DataCacheSettings.FromEnvironment(Option.toObj options.Data), Action<string>(printfn "%s"))

/// A model that cannot be exported is known before it is trained.
let private ensureExportable (model: torch.nn.Module) (run: Run) =
    try
        ExportedOnnx.Check(model, run.Config)
    with :? UsageException as error ->
        refuse $"--onnx: {error.Message}; or leave out --onnx"

/// Trains one run and draws its curves, however it ends.
///
/// observe: what sees the training, made from what tells of it.
let private train (experiment: Experiment) options (cache: DataCache) (extras: Extras) (said: string ref) (observe: ITrainingObserver -> ITrainingObserver) run stop =
    FusedEngine.Default <- options.Backend // before the model is made
    use task = experiment.Build(run.Config, cache, options.Device)
    if options.Onnx then ensureExportable task.Model run
    let data = describe experiment task.Data

    if said.Value <> data then
        printfn "%s" data
        for note in task.DataNotes do printfn "  %s" note
        said.Value <- data

    let reporter = Progress.Reporter(Progress.isTerminal (), where options, run.Row, task)
    use board = if options.TensorBoard then new TensorBoard.Board(run.Folder, reporter) else null
    let paper = experiment.Paper(run.Config, task.Data)
    let floor = experiment.Floor task

    let ending =
        try
            try
                let training =
                    TrainingRun(
                        Config = run.Config, Task = task, Folder = run.Folder, Label = run.Row, Device = options.Device, Threads = options.Threads,
                        MaxUpdates = Option.toNullable options.MaxUpdates, MonitorEvery = Option.toNullable options.Monitor, Paper = paper, Floor = floor,
                        Observer = observe (if isNull board then reporter :> ITrainingObserver else board)
                    )

                match Trainer.Run(training, stop) with
                | null -> Interrupted
                | summary -> Done summary
            with :? DivergedException as error ->
                Diverged error
        finally
            reporter.Close()

    let view = viewOf experiment task
    extras.Try($"the curves of {run.Folder}", fun () -> Pictures.ofRun run.Folder view run.Row run.Config task.Data paper)
    extras.Try($"the monitors of {run.Folder}", fun () -> SitePictures.ofRun run.Folder view run.Row run.Config)
    if not (isNull board) then
        board.Finish(Path.Combine(run.Folder, "curves.png"))
        if board.HasFailed then extras.Fail()

    if ending.IsDone && options.Onnx then extras.Try($"model.onnx of {run.Folder}", fun () -> ExportedOnnx.Write(run.Folder, task.Model))
    if ending.IsDone then extras.Try($"the pictures of {run.Folder}", fun () -> drawings experiment run.Folder task run.Config)
    { Run = run; View = view; Ending = ending }

/// Trains what was planned until it is done or interrupted; a run that diverges does not keep the others from theirs. The outcomes in
/// order.
let private trainAll experiment options extras runs stop =
    let cache = cacheOf options
    let said = ref ""

    let rec go outcomes remaining =
        match remaining with
        | [] -> List.rev outcomes
        | run :: rest ->
            let outcome = train experiment options cache extras said id run stop
            let outcomes = outcome :: outcomes
            match outcome.Ending with
            | Interrupted -> List.rev outcomes
            | Diverged error when not rest.IsEmpty ->
                printfn "%s" error.Message
                printfn "the other runs continue"
                go outcomes rest
            | _ -> go outcomes rest

    go [] runs

/// The comparison picture, results.csv and index.html with all runs of the folder, and the table of the command's own.
let report (experiment: Experiment) options (extras: Extras) outcomes =
    let view = (List.head outcomes).View
    let folders = outcomes |> List.map (fun o -> o.Run.Row, o.Run.Folder)
    extras.Try($"the comparison in {options.Out}", fun () ->
        Pictures.compare options.Out $"{experiment.Name}, {options.Preset}" view (experiment.Curves options.Preset) folders)

    let row outcome summary = Results.row view.Metric outcome.Run.Row outcome.Run.Folder summary

    match [ for o in outcomes do match o.Ending with Done summary -> row o summary | _ -> () ] with
    | [] -> ()
    | rows ->
        extras.Try($"results.csv in {options.Out}", fun () -> ResultsFile.update options.Out view.Metric)
        extras.Try($"index.html in {options.Out}", fun () -> IndexPage.save options.Out view.Metric (List.map (fun o -> o.Run.Row) outcomes))
        printfn ""
        Results.print rows

/// One run for interactive use: its folder, and its summary; None if it was interrupted.
let one (experiment: Experiment) run stop options =
    match (train experiment options (cacheOf options) (Extras(eprintfn "%s")) (ref "") id run stop).Ending with
    | Done summary -> run.Folder, Some summary
    | Interrupted -> run.Folder, None
    | Diverged error -> raise error

/// One run of many that processes of their own train: its ending. The comparison and the table are left to who knows all of them.
let ofMany (experiment: Experiment) options (extras: Extras) observe run stop =
    let outcome = train experiment options (cacheOf options) extras (ref "") observe run stop
    if outcome.Ending.IsDone then extras.Try($"results.csv in {options.Out}", fun () -> ResultsFile.update options.Out outcome.View.Metric)
    outcome.Ending

/// How the runs of some options are drawn; builds the task of one for that.
let view (experiment: Experiment) (options: Options) run =
    use task = experiment.Build(run.Config, cacheOf options, options.Device)
    viewOf experiment task

/// The work of a whole experiment script.
///
/// words: the command line after the script's name. Returns the exit code.
let work (experiment: Experiment) (words: string[]) stop =
    match Options.ofExperiment experiment words with
    | None -> 0
    | Some options ->
        TorchNative.EnsureLoaded()
        let extras = Extras(eprintfn "%s")
        let runs, notes = plan experiment options
        for note in notes do printfn "%s" note
        let outcomes = trainAll experiment options extras runs stop
        report experiment options extras outcomes

        // The last one: the messages of the others have been printed.
        let diverged = outcomes |> List.rev |> List.tryPick (fun o -> match o.Ending with Diverged error -> Some error | _ -> None)

        match (List.last outcomes).Ending, diverged with
        | Interrupted, _ ->
            printfn "interrupted: the same command resumes from here"
            Host.interrupted
        | _, Some error -> raise error
        | _, None when extras.Failed ->
            refuse $"the runs in {options.Out} are done, but not all of their pictures and tables could be written (see above): repeat the command, which draws them again"
        | _, None ->
            printfn "curves, results.csv and index.html are in %s" options.Out
            0

/// A whole experiment script, with its errors and signals; returns the exit code.
let main (experiment: Experiment) (words: string[]) = Host.run (work experiment words)
