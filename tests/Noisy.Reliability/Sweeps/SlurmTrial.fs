/// A sweep on Slurm whose runs the time limit cuts, and one whose processes are killed and whose tasks are cancelled at random.
module Noisy.Reliability.SlurmTrial

open System
open System.Diagnostics
open System.IO
open System.Threading
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Reliability.Program

/// Seeds: of each of two rows; Updates: of a run of the first part, which must take longer than its task has; Disturbances: kills and
/// cancellations of the second.
type SlurmOptions = { Seed: int64; Seeds: int; Updates: int64; Disturbances: int; Limit: Limit }

type SlurmReport = { Runs: int; Cuts: int list; Killed: int; Cancelled: int; Given: int; Seconds: float; Failures: string list }

let private words options updates out =
    let seeds = String.Join(",", [ 1 .. options.Seeds ])
    [ "run"; "ptb"; "sweep"; "--row"; "soft,nah"; "--seed"; seeds; "--set"; "hidden=128"; "--set"; "epochs=1000"; "--max-updates"; string updates
      "--data"; "built-in"; "--threads"; "1"; "--out"; out ]

/// A command that must succeed; what it printed. Ends it when the trial is over.
let private succeed (limit: Limit) (command: string list) =
    use child = new Child(command)

    while not (child.Wait 200) do
        if limit.IsOver then raise (OperationCanceledException())

    let ended = child.End 1.0
    if ended.Code <> 0 then failwith $"""{String.Join(" ", command)} ended with exit code {ended.Code}: {ended.Output}{ended.Errors}"""
    ended.Output

let private weights (folder: string) (name: string) =
    match RunSummary.Read(Path.Combine(folder, name, "summary.json")) with
    | null -> "none"
    | summary -> summary.WeightsSha256

let private starts (folder: string) (name: string) =
    Journal.read (Path.Combine(folder, "states", name + ".jsonl")) |> List.filter (fun event -> event.IsBegun) |> List.length

/// What is wrong with a sweep that has ended, beside one that nothing happened to.
let private wrong (expected: string) (found: string) =
    [ for run in Sweep.status found do
          if run.State <> RunState.Done then $"{run.Name} is {run.State}: {run.Message}"
          elif weights expected run.Name <> weights found run.Name then $"{run.Name} has other weights"
      for file in Directory.GetFiles(found, "*.tmp", SearchOption.AllDirectories) do $"left over: {file}"
      for id in Processes.present (Path.Combine(found, "processes")) do $"process {id.Pid} is still at work"
      if Cluster.ask "squeue" [ "--noheader" ] <> "" then "tasks are still queued" ]

let private waitFor (limit: Limit) (isOver: unit -> bool) =
    while not (isOver ()) && not limit.IsOver do Thread.Sleep 500

/// The processes of a sweep's tasks: trainers and the shells above them.
let private victims (folder: string) =
    [ for entry in Directory.GetDirectories "/proc" do
          match Int32.TryParse(Path.GetFileName entry) with
          | true, pid when pid <> Environment.ProcessId ->
              let commandLine = try File.ReadAllText(Path.Combine(entry, "cmdline")) with _ -> ""
              let isTrainer = commandLine.Contains "\000task\000" && commandLine.Contains folder
              if isTrainer then
                  pid
                  let stat = try File.ReadAllText(Path.Combine(entry, "stat")) with _ -> ""
                  if stat <> "" then int (stat[stat.LastIndexOf ')' + 2 ..].Split(' ')[1])
          | _ -> () ]
    |> List.filter (fun pid -> pid > 1)

/// Gives the runs to Slurm with a limit of a minute, so that each is cut; starts of each run after its first.
let private cut tell options local out =
    succeed options.Limit (words options options.Updates out @ [ "--on"; "slurm"; "--time"; "1" ]) |> ignore
    let mutable shown = ""

    waitFor options.Limit (fun () ->
        let runs = Sweep.status out
        let text = Sweeps.totals runs
        if text <> shown then tell $"cut by the time limit: {text}"
        shown <- text
        runs |> List.forall (fun run -> run.State = RunState.Done || run.State = RunState.Failed || run.State = RunState.Diverged))

    waitFor options.Limit (fun () -> Cluster.ask "squeue" [ "--noheader" ] = "")
    let table = succeed options.Limit [ "run"; "ptb"; "sweep"; "collect"; out ]
    let count = 2 * options.Seeds
    let cuts = [ for entry in Sweep.status out -> starts out entry.Name - 1 ]

    cuts,
    wrong local out
    @ [ if List.exists ((=) 0) cuts then "a run was not cut: take more --updates"
        if not (table.Contains $"{count} runs: {count} done") then "collect does not show all runs" ]

/// Kills processes of tasks, cancels, and gives the sweep to Slurm again, at random moments; kills, cancellations, and how often it was given.
let private disturb tell options updates local out =
    let choose = Choice.at options.Seed 0L
    let give () = succeed options.Limit (words options updates out @ [ "--on"; "slurm"; "--time"; "3" ]) |> ignore
    let mutable killed, cancelled, given = 0, 0, 1
    let mutable runs = []
    give ()

    while killed + cancelled < options.Disturbances && (runs.IsEmpty || runs |> List.exists (fun run -> run.State <> RunState.Done)) && not options.Limit.IsOver do
        Thread.Sleep(int (500.0 + 9500.0 * choose.Share()))

        match victims out with
        | [] -> ()
        | _ when choose.Once 4 ->
            succeed options.Limit [ "run"; "ptb"; "sweep"; "cancel"; out ] |> ignore
            cancelled <- cancelled + 1
            if Cluster.ask "squeue" [ "--noheader" ] <> "" then failwith "cancel left tasks in the queue"
        | pids ->
            let pid = pids[choose.Below pids.Length]
            try
                use victim = Process.GetProcessById pid
                victim.Kill()
                killed <- killed + 1
            with :? ArgumentException | :? InvalidOperationException -> ()

        runs <- Sweep.status out
        tell $"{killed} kills, {cancelled} cancellations: {Sweeps.totals runs}"

        if runs |> List.exists (fun run -> run.State = RunState.Failed || run.State = RunState.Interrupted) then
            give ()
            given <- given + 1

    let rec finish () =
        let runs = Sweep.status out

        if not options.Limit.IsOver && not (runs |> List.forall (fun run -> run.State = RunState.Done)) then
            if runs |> List.exists (fun run -> run.State = RunState.Failed || run.State = RunState.Interrupted) then
                give ()
                given <- given + 1

            Thread.Sleep 1000
            finish ()

    finish ()
    waitFor options.Limit (fun () -> Cluster.ask "squeue" [ "--noheader" ] = "")
    killed, cancelled, given, wrong local out

let run (tell: string -> unit) (options: SlurmOptions) =
    use _ = new Cluster.Cluster()
    let root = Directory.CreateTempSubdirectory("noisy slurm trial ").FullName
    let at name = Path.Combine(root, name)
    let few = max 1L (options.Updates / 2L)
    for name, updates in [ "local", options.Updates; "local few", few ] do
        tell $"{2 * options.Seeds} runs of {updates} updates on this machine"
        succeed options.Limit (words options updates (at name)) |> ignore

    let cuts, failures = cut tell options (at "local") (at "it's cut")
    let killed, cancelled, given, more = disturb tell options few (at "local few") (at "it's disturbed")
    let failures = failures @ more
    if failures.IsEmpty then Directory.Delete(root, true) else tell $"kept: {root}"
    { Runs = 2 * options.Seeds; Cuts = cuts; Killed = killed; Cancelled = cancelled; Given = given; Seconds = options.Limit.Seconds; Failures = failures }

/// Prints the report; the exit code.
let print (report: SlurmReport) =
    let cuts = String.Join(", ", report.Cuts)
    printfn "%d runs were cut %s times; %d runs took %d kills and %d cancellations, and were given to Slurm %d times; %.0f s" report.Runs cuts report.Runs report.Killed report.Cancelled report.Given report.Seconds
    for failure in report.Failures do printfn "FAILED %s" failure

    if report.Failures.IsEmpty then
        printfn "no failure: every run ended with the weights that it has on this machine, and nothing was left over"
        0
    else
        1
