/// Sweeps: begun, looked at, cancelled and collected.
module internal Noisy.FSharp.Sweeps

open System
open System.Diagnostics
open System.IO
open System.Threading
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp.Extras
open Noisy.FSharp.Manifest
open Noisy.FSharp.Options

// ---- The script that trains -----------------------------------------------------------------------------------------

let private isScript (word: string) = word.EndsWith(".fsx", StringComparison.OrdinalIgnoreCase)

/// The words that start a script as this process was started, up to the script's own words.
///
/// script: its file; None for this process's own script or program.
let program (script: string option) =
    let own = Environment.GetCommandLineArgs() |> List.ofArray
    let isFsi = Path.GetFileName own.Head = "fsi.dll"
    // A library that this process found built is not built by each of its children again.
    let defines = own |> List.filter ((=) "--define:NOISY_BUILT")

    match script |> Option.orElse (List.tryFind isScript own) with
    | Some file when not (File.Exists file) -> refuse $"there is no script {file}"
    | Some file ->
        let fsi = if isFsi then [ Environment.ProcessPath; own.Head ] else [ "dotnet"; "fsi" ]
        fsi @ [ "--quiet"; "--nologo" ] @ defines @ [ Path.GetFullPath file; "--" ]
    | None when isFsi -> refuse "a session has no script whose runs other processes could train: name the file that ends in Run.script ... as the sweep's Script"
    | None ->
        // A compiled program, which may take words of its own before those of its experiment.
        let before = if List.contains "sweep" own then own.Tail |> List.takeWhile ((<>) "sweep") else []
        let isDotnet = Path.GetFileNameWithoutExtension Environment.ProcessPath = "dotnet"
        Environment.ProcessPath :: (if isDotnet then [ Path.GetFullPath own.Head ] else []) @ before

// ---- What is told ---------------------------------------------------------------------------------------------------

let private told (state: RunState) = (string state).ToLowerInvariant()

/// "5 runs: 3 done, 1 running, 1 waiting".
let totals (runs: SweepRun list) =
    let counts = [ for state, group in List.groupBy _.State runs -> state, $"{group.Length} {told state}" ] |> List.sort |> List.map snd
    let list = String.Join(", ", counts)
    $"""{runs.Length} {(if runs.Length = 1 then "run" else "runs")}: {list}"""

let private printStatus (runs: SweepRun list) =
    let updates (run: SweepRun) =
        match run.StopAt with
        | Some stopAt when run.State <> RunState.Done -> $"{run.Updates}/{stopAt}"
        | _ -> string run.Updates

    let jobs = runs |> List.exists (fun run -> run.Job <> "")
    let messages = runs |> List.exists (fun run -> run.Message <> "")
    let columns = [ "run"; "state"; "updates"; if jobs then "job"; if messages then "message" ]
    let body = [ for run in runs -> [ run.Name; told run.State; updates run; if jobs then run.Job; if messages then run.Message ] ]
    Results.printTable [ "run"; "state"; "job"; "message" ] [ "run"; "state"; "job" ] columns body
    printfn "%s" (totals runs)

/// The runs that will not be done without more ado, with their messages.
let private printTroubles folder (runs: SweepRun list) =
    for run in runs do
        if run.State = RunState.Failed || run.State = RunState.Diverged then
            printfn "%s %s at update %d: %s" run.Name (told run.State) run.Updates run.Message

    if runs |> List.exists (fun run -> run.State = RunState.Failed) then printfn "what they printed is in %s" (Path.Combine(folder, "logs"))
    if runs |> List.exists (fun run -> run.State = RunState.Diverged) then printfn "a run that diverged is not tried again unless its folder is deleted"

// ---- Collecting -----------------------------------------------------------------------------------------------------

/// One table and the comparison of all runs that are done.
let collect (experiment: Experiment) (folder: string) =
    let folder = Path.GetFullPath folder
    let manifest = Manifest.read folder
    if manifest.Experiment <> experiment.Name then refuse $"{folder} holds a sweep of {manifest.Experiment}, not of {experiment.Name}"
    let extras = Extras(eprintfn "%s")
    let finished = [ for entry in manifest.Runs do match Statuses.finished folder entry with Some summary -> entry, summary | None -> () ]

    match finished with
    | [] -> printfn "no run is done yet"
    | (first, _) :: _ ->
        let options, run = SweepTask.planned experiment folder 1 first
        let view = Runs.view experiment options run

        [ for entry, summary in finished ->
              ({ Run = snd (SweepTask.planned experiment folder 1 entry); View = view; Ending = Runs.Done summary }: Runs.Outcome) ]
        |> Runs.report experiment options extras

    let runs = Statuses.all folder manifest
    printTroubles folder runs
    printfn "%s" (totals runs)
    if not finished.IsEmpty && not extras.Failed then printfn "curves, results.csv and index.html are in %s" folder
    if extras.Failed then refuse $"not all pictures and tables of {folder} could be written (see above): repeat the command, which draws them again"
    runs

// ---- Beginning ------------------------------------------------------------------------------------------------------

/// The sweep of a folder with the runs that are requested, known and new.
let private enter (experiment: Experiment) (request: SweepOptions.Request) program (folder: string) =
    let requested, notes = SweepOptions.runs experiment request
    for note in notes do printfn "%s" note

    let known =
        match Manifest.tryRead folder with
        | Some known when (known.Experiment, known.Preset) <> (experiment.Name, request.Options.Preset) ->
            refuse $"{folder} holds a sweep of {known.Experiment}, preset {known.Preset}: one of {experiment.Name}, preset {request.Options.Preset} needs a folder of its own. Name another --out"
        | Some known -> known
        | None ->
            { Id = Guid.NewGuid().ToString("N")[..7]; Experiment = experiment.Name; Preset = request.Options.Preset; Program = []; OnSlurm = false; Runs = [] }

    let isSlurm = match request.On with Slurm _ -> true | Local _ -> false
    let sweep = { known with Program = program; OnSlurm = known.OnSlurm || isSlurm; Runs = Manifest.merge known.Runs requested }

    // A value that a command line would read otherwise must not become another run.
    for entry in sweep.Runs do
        if List.exists (fst >> (=) entry.Name) requested then SweepTask.planned experiment folder 1 entry |> ignore

    Manifest.createFolders folder
    Manifest.write folder sweep
    sweep

/// The runs that are not done with all that is asked for and that nobody has.
let private missing folder (sweep: Manifest) (runs: SweepRun list) =
    List.zip sweep.Runs runs
    |> List.filter (fun (_, run) -> run.State = RunState.Interrupted || run.State = RunState.Failed || run.State = RunState.Waiting)
    |> List.map fst

/// Says how many runs are done without the monitors that --monitor asks for: whether their models have anything to be measured is not known here.
let private printUnmonitored folder (sweep: Manifest) (runs: SweepRun list) (request: SweepOptions.Request) =
    let isUnmonitored (entry: Entry, run: SweepRun) =
        run.State = RunState.Done && (match Statuses.finished folder entry with Some summary -> isNull summary.Sites | None -> false)

    match request.Options.Monitor, List.zip sweep.Runs runs |> List.filter isUnmonitored |> List.length with
    | Some every, count when count > 0 && request.AsksForMonitors ->
        printfn "%d runs were trained without monitors, and a sweep does not measure them: give the experiment's own command with --monitor %d" count every
    | _ -> ()

/// The end of the session of a run, as a code; 0 where there is none.
let private codeOf folder (entry: Entry) =
    match Journal.last (Journal.read (journalFile folder entry)) with
    | Journal.Over(_, _, code, _) -> code
    | _ -> 0

/// 0 if all runs are done or with another process, 4 if some diverged, else the code of the first that failed, 130 if one was stopped.
let exitCode (runs: (SweepRun * int) list) =
    let failed = [ for run, code in runs do if run.State = RunState.Failed then (if code = 0 || code > 128 then 1 else code) ]
    let some state = runs |> List.exists (fun (run, _) -> run.State = state)
    if some RunState.Diverged then 4 else List.tryHead failed |> Option.defaultValue (if some RunState.Interrupted then Host.interrupted else 0)

let private onThisMachine experiment (request: SweepOptions.Request) program folder jobs (stop: CancellationToken) =
    let sweep = Manifest.alone folder (fun () -> enter experiment request program folder)
    let before = Statuses.all folder sweep
    let entries = missing folder sweep before
    printUnmonitored folder sweep before request
    let jobs = if Option.isNone jobs && request.Options.Device.``type`` = TorchSharp.DeviceType.CUDA then Some 1 else jobs
    let jobs, threads = LocalSweep.share Environment.ProcessorCount entries.Length jobs request.Threads

    if not entries.IsEmpty then
        let threadsText = if threads = 1 then "1 thread" else $"{threads} threads"
        printfn "%d of %d runs to be done, %d at once with %s each, into %s" entries.Length sweep.Runs.Length (min jobs entries.Length) threadsText folder
        LocalSweep.work folder sweep entries jobs threads stop

    if stop.IsCancellationRequested then
        let runs = Statuses.all folder sweep
        printfn "%s" (totals runs)
        printfn "interrupted: the same command resumes from here"
        runs, Host.interrupted
    else
        let runs = collect experiment folder
        runs, exitCode [ for entry, run in List.zip sweep.Runs runs -> run, codeOf folder entry ]

let private onSlurm experiment (request: SweepOptions.Request) program folder (job: SlurmJob) =
    SlurmArray.require ()
    let threads = defaultArg request.Threads 1

    let sweep =
        Manifest.alone folder (fun () ->
            let sweep = enter experiment request program folder
            let queue = SlurmArray.queue sweep
            let isFree (entry: Entry) = queue |> Option.forall (Map.containsKey entry.Index >> not)
            let entries = missing folder sweep (Statuses.all folder sweep) |> List.filter isFree

            match entries with
            | [] -> printfn "nothing is left to be given to Slurm"
            | entries ->
                let number = SlurmArray.submit folder sweep job threads entries
                for entry in entries do Journal.append (journalFile folder entry) (Journal.Submitted number)
                printfn "job %s: %d of %d runs, into %s" number entries.Length sweep.Runs.Length folder

            sweep)

    let runs = Statuses.all folder sweep
    printUnmonitored folder sweep runs request
    printfn "%s" (totals runs)
    printfn "how they fare: %s status %s (or cancel, or, at the end, collect)" (SweepOptions.call experiment) folder
    runs, 0

/// Begins a sweep or goes on with it. Returns how its runs fare, and the exit code.
///
/// program: the words that start the experiment's script, up to its own.
let start (experiment: Experiment) program (words: string list) stop =
    // Or it would begin sweeps without end.
    if Environment.GetCommandLineArgs() |> Array.pairwise |> Array.contains ("sweep", "task") then
        refuse "this process was begun to train one run of a sweep, but its script begins a sweep: the sweep's Script must be one that ends in Run.script ... and begins none"

    match SweepOptions.read experiment words with
    | None -> [], 0
    | Some request ->
        let folder = Path.GetFullPath request.Options.Out
        if File.Exists folder then refuse $"--out {folder} is a file: name a folder"
        Directory.CreateDirectory folder |> ignore

        match request.On with
        | Local jobs -> onThisMachine experiment request program folder jobs stop
        | Slurm job -> onSlurm experiment request program folder job

// ---- Looking and cancelling -----------------------------------------------------------------------------------------

/// How the runs of a sweep fare.
let status (folder: string) = Statuses.all (Path.GetFullPath folder) (Manifest.read folder)

// Longer than a checkpoint takes, and than Slurm's grace period.
let private patience = TimeSpan.FromMinutes 5.0

/// Stops whatever trains runs of a sweep, and waits until it has ended. Every run can be resumed then.
let cancel (folder: string) =
    let folder = Path.GetFullPath folder
    let manifest = Manifest.read folder
    let start = Stopwatch.GetTimestamp()
    let isOver () = Stopwatch.GetElapsedTime start > patience
    let processes = Processes.present (processesFolder folder)
    let here, elsewhere = processes |> List.partition (fun id -> (Processes.isAlive id).IsSome)

    if manifest.OnSlurm then
        let rec drain told =
            // Again each time: a task that was just being queued again has missed the one before.
            SlurmArray.cancel manifest

            match SlurmArray.queue manifest with
            | Some left when not left.IsEmpty ->
                if not told then printfn "waiting for %d tasks to leave Slurm's queue" left.Count
                if isOver () then refuse $"{left.Count} tasks are still in Slurm's queue after five minutes: squeue --name says why"
                Thread.Sleep 500
                drain true
            | _ -> ()

        drain false

        for entry in manifest.Runs do
            match Journal.last (Journal.read (journalFile folder entry)) with
            | Journal.Queued _ -> Journal.append (journalFile folder entry) Journal.Withdrawn
            | _ -> ()

    for id in here do
        printfn "stopping process %d" id.Pid
        OtherProcess.Stop id.Pid

    while here |> List.exists (fun id -> Processes.isAlive id = Some true) do
        if isOver () then refuse $"""process {String.Join(", ", [ for id in here -> id.Pid ])} has not ended after five minutes: look what it does, or end it by kill -9; its runs can be resumed all the same"""
        Thread.Sleep 100

    let hosts = String.Join(", ", [ for id in elsewhere -> id.Host ] |> List.distinct)
    if hosts <> "" then refuse $"the sweep is at work on {hosts} too: give the command there"
    Statuses.all folder manifest

// ---- A script's words -----------------------------------------------------------------------------------------------

let private only verb (words: string list) =
    match words with
    | [ folder ] when folder <> "" -> folder
    | _ -> refuse $"{verb} takes one word, the folder of the sweep"

/// The work of status and cancel, for which no experiment is needed; None for other words.
let look (words: string list) =
    match words with
    | "status" :: rest ->
        printStatus (status (only "status" rest))
        Some 0
    | "cancel" :: rest ->
        let runs = cancel (only "cancel" rest)
        printfn "%s" (totals runs)
        Some 0
    | _ -> None

/// What follows "sweep" on the command line of an experiment's script. Returns the exit code.
let work (experiment: Experiment) program (words: string list) stop =
    match look words, words with
    | Some code, _ -> code
    | None, "collect" :: rest ->
        collect experiment (only "collect" rest) |> ignore
        0
    | None, [ "task"; name; "--session"; session; "--out"; folder; "--threads"; threads ] ->
        SweepTask.work experiment folder name session (int (integer "--threads" 1L threads)) stop
    | None, _ -> start experiment (program ()) words stop |> snd

/// The work of an experiment's script: a sweep, or the runs one after another.
let orRuns (experiment: Experiment) (words: string[]) stop =
    match List.ofArray words with
    | "sweep" :: rest ->
        TorchNative.EnsureLoaded()
        work experiment (fun () -> program None) rest stop
    | _ -> Runs.work experiment words stop

/// A whole experiment script, with its errors and signals; returns the exit code.
let main (experiment: Experiment) (words: string[]) = Host.run (orRuns experiment words)
