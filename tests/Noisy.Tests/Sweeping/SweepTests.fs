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

let private sizes = [ "--set"; "hidden=12"; "--set"; "trainTokens=20000"; "--set"; "epochs=3" ]
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
         let words = [ "run"; "ptb"; "--row"; "nah"; "--seed"; "1,2,3"; "--threads"; "1"; "--data"; "built-in"; "--out"; folder.Path ]
         let code, output = run (words @ sizes)
         Expect.equal code 0 output
         weights folder.Path)

let private request folder (more: string list) = command ([ "--row"; "nah"; "--seed"; "1,2,3"; "--data"; "built-in"; "--out"; folder ] @ more)

let private states folder = [ for run in Sweep.status folder -> run.State ]
let private isTraining folder () = Sweep.status folder |> List.exists (fun run -> run.State = Running && run.Updates >= 5L)

/// Whatever a sweep leaves, nothing is half: no file that was being written, no process, no lock.
let private isWhole folder =
    Expect.isEmpty (Directory.GetFiles(folder, "*.tmp", SearchOption.AllDirectories)) "nothing half"
    Expect.isEmpty (Processes.present (Path.Combine(folder, "processes"))) "no process"
    for lock in Directory.GetFiles(folder, "*.lock", SearchOption.AllDirectories) do
        use held = FileLock.Take(lock, TimeSpan.FromSeconds 2.0, ignore)
        Expect.isNotNull held lock

let private local =
    testCase "cancelled, killed, diverged: the same command ends with the weights of plain runs" (fun () ->
        use folder = new TempFolder()
        let out = folder.In "it's a sweep"
        let request more = request out ([ "--jobs"; "2" ] @ more)

        // Cancelled by another process while it trains.
        use sweep = new Child(request [])
        waitFor "training" (fun () -> File.Exists(Path.Combine(out, "sweep.json")) && isTraining out ())
        Expect.throwsT<Noisy.Models.UsageException> (fun () -> Sweeps.collect (PaperExperiments.ByName "mnist") out |> ignore) "another experiment"
        let code, output = run [ "run"; "ptb"; "sweep"; "cancel"; out ]
        Expect.equal code 0 output
        let ended = sweep.End 60.0
        Expect.equal ended.Code 130 (ended.Output + ended.Errors)
        Expect.contains (states out) Interrupted "interrupted"
        Expect.all (Sweep.status out) (fun run -> run.State <> Running && run.State <> Failed) "none is at work"
        isWhole out

        // A run is killed outright; the others go on.
        use sweep = new Child(request [])
        waitFor "training" (isTraining out)
        let killed = Sweep.status out |> List.find (fun run -> run.State = Running)
        match Journal.last (Journal.read (Path.Combine(out, "states", killed.Name + ".jsonl"))) with
        | Journal.Open session -> (use victim = Process.GetProcessById session.Process.Pid in victim.Kill())
        | other -> failtest $"{other}"
        let ended = sweep.End 120.0
        Expect.equal ended.Code 1 (ended.Output + ended.Errors)
        Expect.stringContains ended.Output $"{killed.Name} failed at update " "the killed run"
        Expect.stringContains ended.Output "ended by signal 9" "how"
        Expect.equal (List.sort (states out)) [ Done; Done; Failed ] "the others"

        // Another run is added, which diverges; the one that was killed is resumed.
        let code, output = run (command [ "--row"; "nah"; "--seed"; "1"; "--set"; "learningRate=1e18"; "--jobs"; "2"; "--data"; "built-in"; "--out"; out ])
        Expect.equal code 4 output
        Expect.equal (List.countBy id (states out) |> List.sort) [ Done, 3; Diverged, 1 ] output
        Expect.stringContains output "4 runs: 3 done, 1 diverged" "totals"
        Expect.equal (weights out) plain.Value "weights"
        isWhole out

        // Nothing is left to do, and it says the same.
        let code, output = run (request [])
        Expect.equal code 4 output
        Expect.isFalse (output.Contains "begins") "nothing is repeated"
        Expect.equal (File.ReadAllLines(Path.Combine(out, "results.csv")).Length) 4 "results.csv"
        Expect.isTrue (File.Exists(Path.Combine(out, "comparison.html"))) "comparison"

        // A preset of another size is another sweep.
        let code, output = run (command [ "--preset"; "small"; "--out"; out ])
        Expect.equal code 2 output
        Expect.stringContains output "Name another --out" "what to do")

let private two =
    testCase "two commands share a folder's runs, and each run is trained once" (fun () ->
        use folder = new TempFolder()
        use first = new Child(request folder.Path [ "--jobs"; "1" ])
        waitFor "training" (fun () -> File.Exists(folder.In "sweep.json") && isTraining folder.Path ())
        use second = new Child(request folder.Path [ "--jobs"; "1" ])
        let endings = [ for child in [ first; second ] -> child.End 120.0 ]
        for ended in endings do Expect.equal ended.Code 0 (ended.Output + ended.Errors)
        Expect.equal (weights folder.Path) plain.Value "weights"
        for run in Sweep.status folder.Path do
            let begun = Journal.read (folder.In("states", run.Name + ".jsonl")) |> List.filter (fun event -> event.IsBegun)
            Expect.hasLength begun 1 run.Name)

let private script =
    testCase "a script of one's own takes the word sweep" (fun () ->
        use folder = new TempFolder()
        let root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, "..", "..", ".."))
        let adding = Path.Combine(root, "examples", "adding.fsx")
        let words = [ "fsi"; "--quiet"; "--nologo"; "--define:NOISY_BUILT"; adding; "--"; "sweep"; "--activation"; "mine"; "--seed"; "1,2"; "--set"; "hidden=4"; "--max-updates"; "10"; "--out"; folder.Path ]
        use child = Process.Start(ProcessStartInfo("dotnet", words, RedirectStandardOutput = true, RedirectStandardError = true))
        let errors = child.StandardError.ReadToEndAsync()
        let output = child.StandardOutput.ReadToEnd()
        child.WaitForExit()
        Expect.equal (child.ExitCode, errors.Result) (0, "") output
        Expect.equal [ for run in Sweep.status folder.Path -> run.State, run.Updates ] [ Done, 10L; Done, 10L ] output)

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
        let taskOf state = Sweep.status out |> List.tryFind (fun run -> run.State = state && run.Updates >= 5L)

        let code, output = run request
        Expect.equal code 0 output
        let code, again = run request
        Expect.equal code 0 again
        Expect.stringContains again "nothing is left to be given to Slurm" "each run is queued once"

        // Cut, as by the time limit: the task is queued again by itself.
        waitFor "training" (fun () -> (taskOf Running).IsSome)
        let cut = (taskOf Running).Value
        Cluster.ask "scancel" [ "--signal=TERM"; "--batch"; cut.Job ] |> ignore
        let begun (run: SweepRun) = Journal.read (Path.Combine(out, "states", run.Name + ".jsonl")) |> List.filter (fun event -> event.IsBegun) |> List.length
        waitFor "another start" (fun () -> begun cut = 2)

        // Cancelled, running and waiting ones.
        let code, output = run [ "run"; "ptb"; "sweep"; "cancel"; out ]
        Expect.equal code 0 output
        Expect.equal (Cluster.ask "squeue" [ "--noheader" ]) "" "nothing is queued"
        Expect.all (Sweep.status out) (fun run -> List.contains run.State [ Done; Interrupted; Waiting ]) "all can be resumed"
        isWhole out

        let code, output = run request
        Expect.equal code 0 output
        waitFor "the end" (fun () -> states out |> List.forall ((=) Done))
        let code, output = run [ "run"; "ptb"; "sweep"; "collect"; out ]
        Expect.equal code 0 output
        Expect.stringContains output "3 runs: 3 done" "one table"
        Expect.equal (weights out) plain.Value "weights"
        waitFor "an empty queue" (fun () -> Cluster.ask "squeue" [ "--noheader" ] = "")
        isWhole out)

let tests =
    testSequenced <| testList "sweep" [
        yield! SweepPartTests.tests
        BatchScriptTests.tests
        local
        two
        script
        slurm
    ]
