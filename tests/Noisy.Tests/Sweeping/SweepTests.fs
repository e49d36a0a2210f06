/// Sweeps as their users have them: processes side by side that are stopped, killed and resumed.
module Noisy.Tests.SweepTests

open System
open System.Diagnostics
open System.IO
open System.Threading
open Expecto
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Reliability
open Noisy.Reliability.Program
open Noisy.Tests.TorchHelpers

let private sizes = [ "--set"; "hidden=12"; "--set"; "trainTokens=20000"; "--set"; "epochs=6" ]
let private command words = [ "run"; "ptb"; "sweep" ] @ sizes @ words

/// A command to its end: its exit code and all it printed.
let private run (words: string list) =
    use child = new Child(words)
    let ended = child.End 120.0
    ended.Code, ended.Output + ended.Errors

let private waitFor what (isThere: unit -> bool) =
    let clock = Stopwatch.StartNew()
    while not (isThere ()) do
        if clock.Elapsed.TotalSeconds > 90.0 then failtest $"{what} does not come about"
        Thread.Sleep 20

let private weights (folder: string) =
    [ for run in Directory.GetDirectories folder do
          match RunSummary.Read(Path.Combine(run, "summary.json")) with
          | null -> ()
          | summary -> Path.GetFileName run, summary.WeightsSha256 ]
    |> List.sort

/// The weights of plain runs, one after another.
let private plain =
    lazy
        (use folder = new TempFolder()
         let words = [ "run"; "ptb"; "--row"; "nah"; "--seed"; "1,2"; "--threads"; "1"; "--data"; "built-in"; "--out"; folder.Path ]
         let code, output = run (words @ sizes)
         Expect.equal code 0 output
         weights folder.Path)

let private request folder (more: string list) = command ([ "--row"; "nah"; "--seed"; "1,2"; "--data"; "built-in"; "--out"; folder ] @ more)

let private states folder = [ for run in Sweep.status folder -> run.State ]

/// The session that trains a run now, from its journal, and the run's name: Slurm is not asked, which would take longer than the run.
let private training folder =
    if not (File.Exists(Path.Combine(folder, "sweep.json"))) then None
    else
        (Manifest.read folder).Runs |> List.tryPick (fun entry ->
            let run = Statuses.ofRun folder (Some Map.empty) entry
            match Journal.last (Journal.read (Manifest.journalFile folder entry)) with
            | Journal.Open session when run.State = RunState.Running && run.Updates >= 5L -> Some(run.Name, session)
            | _ -> None)

let private begun folder name = Journal.read (Path.Combine(folder, "states", name + ".jsonl")) |> List.filter (fun event -> event.IsBegun) |> List.length

/// Waits until a run is trained.
let private waitForTraining folder =
    waitFor "training" (fun () -> (training folder).IsSome)
    (training folder).Value

/// Whatever a sweep leaves, nothing is half: no file that was being written, no process, no lock.
let private isWhole folder =
    Expect.isEmpty (Directory.GetFiles(folder, "*.tmp", SearchOption.AllDirectories)) "nothing half"
    Expect.isEmpty (Processes.present (Path.Combine(folder, "processes"))) "no process"
    for lock in Directory.GetFiles(folder, "*.lock", SearchOption.AllDirectories) do
        use held = FileLock.Take(lock, TimeSpan.FromSeconds 2.0, ignore)
        Expect.isNotNull held lock

let private journals =
    testCase "a journal is read and added to by many at once" (fun () ->
        use folder = new TempFolder()
        let file = folder.In "run.jsonl"
        let add i = Journal.append file (Journal.Submitted(string i))
        add 0
        let work i = if i % 2 = 0 then add i else Expect.isNonEmpty (Journal.read file) "what stands there"
        System.Threading.Tasks.Parallel.For(1, 400, System.Threading.Tasks.ParallelOptions(MaxDegreeOfParallelism = 8), work) |> ignore
        Expect.hasLength (Journal.read file) 200 "every event once")

let private local =
    testCase "cancelled, killed, diverged: the same command ends with the weights of plain runs" (fun () ->
        use folder = new TempFolder()
        let out = folder.In "it's a sweep"
        let request () = new Child(request out [])

        // Cancelled by another process while it trains.
        use sweep = request ()
        waitForTraining out |> ignore
        Sweep.cancel out |> ignore
        let ended = sweep.End 60.0
        Expect.equal ended.Code 130 (ended.Output + ended.Errors)
        Expect.contains (states out) RunState.Interrupted "interrupted"
        Expect.all (Sweep.status out) (fun run -> run.State <> RunState.Running && run.State <> RunState.Failed) "none is at work"
        isWhole out

        // A run is killed outright; the other goes on.
        use sweep = request ()
        let killed, session = waitForTraining out
        (use victim = Process.GetProcessById session.Process.Pid in victim.Kill())
        let ended = sweep.End 120.0
        Expect.equal ended.Code 1 (ended.Output + ended.Errors)
        Expect.equal (List.sort (states out)) [ RunState.Done; RunState.Failed ] ended.Output
        for part in [ $"{killed} failed at update "; "ended by signal 9" ] do Expect.stringContains ended.Output part "the killed run"

        // Another run is added, which diverges; the one that was killed is resumed. A second command at the same time takes no run that the first has.
        let before = begun out killed
        let diverging = command [ "--row"; "nah"; "--seed"; "1"; "--set"; "learningRate=1e18"; "--data"; "built-in"; "--out"; out ]
        let sweeps = [ for _ in 1..2 -> new Child(diverging) ]
        let endings = [ for sweep in sweeps -> sweep.End 120.0 ]
        let output = String.Join("\n", [ for ended in endings -> ended.Output + ended.Errors ])
        Expect.contains [ for ended in endings -> ended.Code ] 4 output
        Expect.equal (List.countBy id (states out) |> List.sort) [ RunState.Done, 2; RunState.Diverged, 1 ] output
        Expect.stringContains output "3 runs: 2 done, 1 diverged" "totals"
        for ended in endings do Tol.atMost (ended.Output.Split("largest weight norms").Length - 1) 1 "why it diverged is told once"
        for run in Sweep.status out do
            if run.State = RunState.Diverged then Expect.equal (begun out run.Name) 1 output
        Expect.equal (begun out killed) (before + 1) output
        Expect.equal (weights out) plain.Value "weights"
        isWhole out

        // Nothing is left to do, and it says the same.
        let ended = request().End 60.0
        let output = ended.Output + ended.Errors
        Expect.equal ended.Code 4 output
        Expect.isFalse (output.Contains "begins") "nothing is repeated"
        Expect.stringContains output $"curves, results.csv and index.html are in {out}" "where they are"
        Expect.equal (File.ReadAllLines(Path.Combine(out, "results.csv")).Length) 3 "results.csv"
        Expect.isTrue (File.Exists(Path.Combine(out, "comparison.html"))) "comparison"

        // A preset of another size is another sweep.
        let code, output = run (command [ "--preset"; "small"; "--out"; out ])
        Expect.equal code 2 output
        Expect.stringContains output "Name another --out" "what to do")

let private script =
    testCase "a script of one's own takes the word sweep" (fun () ->
        use folder = new TempFolder()
        let adding = Repository.file [ "examples"; "adding.fsx" ]
        let words = [ "fsi"; "--quiet"; "--nologo"; "--define:NOISY_BUILT"; adding; "--"; "sweep"; "--activation"; "mine"; "--set"; "hidden=4"; "--max-updates"; "10"; "--out"; folder.Path ]
        use child = Process.Start(ProcessStartInfo("dotnet", words, RedirectStandardOutput = true, RedirectStandardError = true))
        let errors = child.StandardError.ReadToEndAsync()
        let output = child.StandardOutput.ReadToEnd()
        child.WaitForExit()
        Expect.equal (child.ExitCode, errors.Result) (0, "") output
        Expect.equal [ for run in Sweep.status folder.Path -> run.State, run.Updates ] [ RunState.Done, 10L ] output)

/// Slurm's tests have one cluster, which takes a second to come up.
let private slurm =
    testCase "on Slurm: cut and queued again, cancelled and given again, with the weights of plain runs" (fun () ->
        match Cluster.impossible () with
        | Some reason -> skiptest reason
        | None -> ()

        use _ = new Cluster.Cluster()
        use folder = new TempFolder()
        let out = folder.In "it's a sweep"
        let request = request out [ "--on"; "slurm"; "--time"; "5" ]
        let code, output = run request
        Expect.equal code 0 output
        // Cut, as by the time limit: the task is queued again by itself.
        let cut, session = waitForTraining out
        Cluster.ask "scancel" [ "--signal=TERM"; "--batch"; session.Job ] |> ignore
        waitFor "another start" (fun () -> begun out cut = 2)

        // Cancelled, running and waiting ones.
        let code, output = run [ "run"; "ptb"; "sweep"; "cancel"; out ]
        Expect.equal code 0 output
        Expect.equal (Cluster.ask "squeue" [ "--noheader" ]) "" "nothing is queued"
        Expect.all (Sweep.status out) (fun run -> List.contains run.State [ RunState.Done; RunState.Interrupted; RunState.Waiting ]) "all can be resumed"
        isWhole out

        let code, output = run request
        Expect.equal code 0 output
        let code, again = run request
        Expect.equal code 0 again
        Expect.stringContains again "nothing is left to be given to Slurm" "each run is queued once"
        waitFor "the end" (fun () -> states out |> List.forall ((=) RunState.Done))
        let code, output = run [ "run"; "ptb"; "sweep"; "collect"; out ]
        Expect.equal code 0 output
        Expect.stringContains output "2 runs: 2 done" "one table"
        Expect.equal (weights out) plain.Value "weights"
        waitFor "an empty queue" (fun () -> Cluster.ask "squeue" [ "--noheader" ] = "")
        isWhole out)

let tests =
    testSequenced <| testList "sweep" [
        yield! SweepPartTests.tests
        BatchScriptTests.tests
        journals
        local
        script
        slurm
    ]
