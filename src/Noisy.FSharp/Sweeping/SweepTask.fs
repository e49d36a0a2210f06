/// One run of a sweep, in a process of its own: what a sweep's processes and Slurm's tasks do.
module internal Noisy.FSharp.SweepTask

open System
open System.IO
open System.Runtime.ExceptionServices
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp.Extras
open Noisy.FSharp.Journal
open Noisy.FSharp.Options
open Noisy.FSharp.Plan

/// What the words of a run ask for: a single run, of the name that the sweep knows it by.
///
/// folder: the sweep's.
let planned (experiment: Experiment) (folder: string) threads (entry: Manifest.Entry) =
    match Options.ofExperiment experiment (Array.ofList (entry.Words @ [ "--out"; folder; "--threads"; string threads ])) with
    | None -> refuse $"{folder}/sweep.json: the words of '{entry.Name}' ask for help"
    | Some options ->
        match fst (Runs.plan experiment options) with
        | [ run ] when Path.GetFileName run.Folder = entry.Name -> options, run
        | runs ->
            let names = String.Join(", ", [ for run in runs -> Path.GetFileName run.Folder ])
            refuse $"the run '{entry.Name}' of the sweep in {folder} would now be {names}: the script or the library has changed since. Give the sweep's command again with another --out"

/// Tells the journal where training goes to, besides what the observer tells.
let private telling (journal: string) session (observer: ITrainingObserver) =
    { new ITrainingObserver with
        member _.Started(folder, config, data, update, stopAt) =
            Journal.append journal (Trains(session, stopAt))
            observer.Started(folder, config, data, update, stopAt)
        member _.Updated progress = observer.Updated progress
        member _.Evaluated evaluation = observer.Evaluated evaluation
        member _.Note message = observer.Note message }

// As often is a run begun in vain by one task before it counts as failed.
let private attempts = 3

// Another process that ends just now lets go of the run within this.
let private patience = TimeSpan.FromSeconds 3.0

/// Whether a run is done with all that is asked for, or has diverged and would again.
let private isOver folder (entry: Manifest.Entry) =
    match Journal.last (Journal.read (Manifest.journalFile folder entry)) with
    | Over(_, _, 4, _) -> Directory.Exists(Manifest.runFolder folder entry)
    | last -> Statuses.isDone folder entry last

/// Trains a run unless another process does.
///
/// session: what the journal calls this process; threads: of this process. Returns the exit code.
let work (experiment: Experiment) (folder: string) name (session: string) threads stop =
    let manifest = Manifest.read folder
    let entry = Manifest.entry folder manifest name
    Manifest.createFolders folder
    use claim = FileLock.Take(Manifest.claimFile folder entry, patience, ignore)

    if isNull claim then
        printfn "%s is with another process" name
        0
    elif isOver folder entry then
        printfn "%s is over already" name // another process had it between the sweep's look and this claim
        0
    else
        let journal = Manifest.journalFile folder entry
        let job = if session.StartsWith Statuses.local then "" else session.Split('.')[0]
        let from = Statuses.newestCheckpoint (Manifest.runFolder folder entry)
        Journal.append journal (Begun { Id = session; Process = Processes.current; Job = job; From = from; StopAt = 0L })
        let ended code message = Journal.append journal (Ended(session, code, message))

        try
            if Journal.inVain (Journal.read journal) >= attempts then
                let newest = if from = "" then "it has none" else $"its newest is {from}"
                refuse $"Slurm has stopped {name} {attempts} times without a new checkpoint ({newest}): the time limit is too short for that. Give the sweep's command again with a longer --time"

            let options, run = planned experiment folder threads entry
            let missing = ResizeArray<string>()
            let extras = Extras(fun message -> eprintfn "%s" message; missing.Add message)

            match Runs.ofMany experiment options extras (telling journal session) run stop with
            | Runs.Done _ when extras.Failed ->
                ended 2 (String.Join("; ", missing))
                2
            | Runs.Done _ ->
                ended 0 ""
                0
            | Runs.Interrupted ->
                printfn "interrupted, to be resumed from here"
                ended Host.interrupted ""
                Host.interrupted
            | Runs.Diverged error -> raise error
        with error ->
            let code, message = Host.describe error
            ended code message
            ExceptionDispatchInfo.Throw error
            code
