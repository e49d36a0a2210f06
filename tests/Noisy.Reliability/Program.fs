/// This program as a child of itself: what may die, hang or be killed runs in a process of its own.
module Noisy.Reliability.Program

open System
open System.Diagnostics
open System.Threading.Tasks

let private assembly = typeof<Choice.Choices>.Assembly.Location

/// The words that start this program with a command.
let words (command: string list) = assembly :: command

/// Starts it, its output caught. The child stops by itself when this process is gone.
let start (command: string list) =
    let start = ProcessStartInfo("dotnet", words command, RedirectStandardOutput = true, RedirectStandardError = true)
    start.Environment["DOTNET_gcServer"] <- "0"
    start.Environment["DOTNET_DbgEnableMiniDump"] <- "0"
    start.Environment["NOISY_PARENT"] <- string Environment.ProcessId
    start.Environment.Remove "NOISY_DEBUG" |> ignore
    Process.Start start

/// What a child left.
type Ended = { Code: int; Output: string; Errors: string; Seconds: float }

/// A running child whose output is being read.
type Child(command: string list) =
    let child, clock = start command, Stopwatch.StartNew()
    let output: Task<string> = child.StandardOutput.ReadToEndAsync()
    let errors: Task<string> = child.StandardError.ReadToEndAsync()

    member _.HasEnded = child.HasExited
    member _.Kill() = child.Kill()

    /// Waits so long at most; whether it has ended.
    member _.Wait(milliseconds: int) = child.WaitForExit milliseconds

    /// Waits for its end; one that takes longer than so many seconds is killed and counts as hanging.
    member _.End(seconds: float) =
        let hangs = not (child.WaitForExit(int (1000.0 * seconds)))
        if hangs then child.Kill()
        child.WaitForExit()
        let code = if hangs then Int32.MaxValue else child.ExitCode
        { Code = code; Output = output.Result; Errors = errors.Result; Seconds = clock.Elapsed.TotalSeconds }

    interface IDisposable with
        member _.Dispose() =
            if not child.HasExited then child.Kill()
            child.Dispose()
