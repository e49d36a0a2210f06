/// The runs of a sweep as processes on this machine, some side by side.
module internal Noisy.FSharp.LocalSweep

open System
open System.Diagnostics
open System.IO
open System.Threading
open Noisy.Models
open Noisy.FSharp.Manifest
open Noisy.FSharp.Journal

/// Processes at once and threads of each.
///
/// runs: how many there are to be trained.
let share cores runs (jobs: int option) (threads: int option) =
    match jobs, threads with
    | Some jobs, Some threads -> jobs, threads
    | Some jobs, None -> jobs, max 1 (cores / jobs)
    | None, Some threads -> max 1 (cores / threads), threads
    | None, None -> (let jobs = max 1 (min cores runs) in jobs, max 1 (cores / jobs))

/// A process that trains a run; what it prints goes to the run's log.
type private Child(folder: string, manifest: Manifest, entry: Entry, session: string, threads: int) =
    let log = new StreamWriter(new FileStream(logFile folder entry, FileMode.Append, FileAccess.Write, FileShare.ReadWrite), AutoFlush = true)
    let write (line: string) = if not (isNull line) then lock log (fun () -> log.WriteLine line)

    let child =
        let arguments = manifest.Program.Tail @ [ "sweep"; "task"; entry.Name; "--session"; session; "--out"; folder; "--threads"; string threads ]
        let start = ProcessStartInfo(manifest.Program.Head, arguments, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true)
        start.Environment["NOISY_PARENT"] <- string Environment.ProcessId
        write $"-- {DateTime.UtcNow:s}Z {session}"
        let child = Process.Start start
        child.StandardInput.Close()
        child.OutputDataReceived.Add(fun e -> write e.Data)
        child.ErrorDataReceived.Add(fun e -> write e.Data)
        child.BeginOutputReadLine()
        child.BeginErrorReadLine()
        child

    member _.Entry = entry
    member _.HasEnded = child.HasExited
    member _.Stop() = if not child.HasExited then OtherProcess.Stop child.Id

    /// To be called once it has ended: tells the journal.
    member _.Close() =
        child.WaitForExit() // for the rest of its output
        let code = child.ExitCode
        Journal.append (journalFile folder entry) (Exited(session, code))
        write $"-- {DateTime.UtcNow:s}Z exit code {code}"
        log.Dispose()
        child.Dispose()

// How often it is told that all is still going on, where nobody sees a line that renews itself.
let private period = TimeSpan.FromMinutes 1.0

/// Trains runs until they are done or it is asked to stop. Runs that another process or Slurm has are left to it.
///
/// stop: asks every process to leave a checkpoint and to end.
let work (folder: string) (manifest: Manifest) (entries: Entry list) jobs threads (stop: CancellationToken) =
    use _ = Processes.enter (processesFolder folder)
    let queue = SlurmArray.queue manifest
    let terminal = Progress.isTerminal ()
    let total = entries.Length
    let mutable ended, live = 0, false

    let line (text: string) =
        if live then Console.Write "\r\u001b[K"
        live <- false
        Console.WriteLine text

    let mutable numbered = 0

    let begin' (entry: Entry) =
        numbered <- numbered + 1
        let session = $"{Statuses.local}{Environment.MachineName}-{Environment.ProcessId}-{DateTime.UtcNow:yyyyMMddHHmmss}.{numbered}"
        let child = Child(folder, manifest, entry, session, threads)
        line $"  {entry.Name}: begins"
        child

    let close (child: Child) =
        child.Close()
        ended <- ended + 1
        let run = Statuses.ofRun folder queue child.Entry
        let message = if run.Message = "" then "" else $": {(run.Message.Split ';')[0]}" // the whole one is told at the end
        line $"  {run.Name}: {(string run.State).ToLowerInvariant()} at update {run.Updates}{message} ({ended} of {total})"

    let isFree (entry: Entry) =
        let run = Statuses.ofRun folder queue entry
        let isSlurms = queue |> Option.exists (Map.containsKey entry.Index)
        let isOver = run.State = RunState.Done || run.State = RunState.Diverged // by another process, since this one began
        let isFree = not isOver && run.State <> RunState.Running && not isSlurms

        if not isFree then
            ended <- ended + 1
            if not isOver then line $"""  {entry.Name}: left to {(if run.Job = "" then "another process" else "Slurm, task " + run.Job)} ({ended} of {total})"""

        isFree

    let describe (running: Child list) =
        let each =
            [ for child in running ->
                  let run = Statuses.ofRun folder queue child.Entry
                  match run.StopAt with Some stopAt -> $"{run.Name} {run.Updates}/{stopAt}" | None -> run.Name ]

        $"""{ended} of {total} over; {String.Join(", ", each)}"""

    let show (running: Child list) =
        if terminal then
            let text = describe running
            let width = try Console.WindowWidth with _ -> 0
            Console.Write("\r\u001b[K" + (if width > 1 && text.Length >= width then text.Substring(0, width - 1) else text))
            live <- true
        else
            line $"  {describe running}"

    let mutable asked = false
    let mutable shown = Stopwatch.GetTimestamp()

    let rec go (waiting: Entry list) (running: Child list) =
        if stop.IsCancellationRequested && not asked then
            asked <- true
            for child in running do child.Stop()

        let over, running = running |> List.partition _.HasEnded
        for child in over do close child

        match waiting with
        | _ when stop.IsCancellationRequested && running.IsEmpty -> ()
        | entry :: rest when running.Length < jobs && not stop.IsCancellationRequested ->
            go rest (if isFree entry then running @ [ begin' entry ] else running)
        | [] when running.IsEmpty -> ()
        | _ ->
            if Stopwatch.GetElapsedTime shown >= (if terminal then TimeSpan.FromSeconds 1.0 else period) then
                shown <- Stopwatch.GetTimestamp()
                show running

            Thread.Sleep 100
            go waiting running

    go entries []
    if live then Console.Write "\r\u001b[K"
