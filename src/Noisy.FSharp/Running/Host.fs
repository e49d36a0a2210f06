/// What every script does first and last: errors become one message and an exit code, signals become a polite stop.
module internal Noisy.FSharp.Host

open System
open System.Globalization
open System.IO
open System.Runtime.InteropServices
open System.Text.RegularExpressions
open System.Threading
open Noisy.Core
open Noisy.Models
open Noisy.Experiments

/// The library's version, for banners and logs.
let version = NoisyVersion.Current

/// Exit code of a script that was asked to stop and has left a checkpoint.
let interrupted = 130

let private debugging () = Environment.GetEnvironmentVariable "NOISY_DEBUG" = "1"

/// What was too large for the memory, in libtorch's words: "... can't allocate memory: you tried to allocate 160000000000 bytes. ...",
/// "CUDA out of memory. Tried to allocate 20.00 GiB. ...".
let private (|TooLarge|_|) (error: exn) =
    let asked = Regex.Match(error.Message, @"tried to allocate (?:(\d+) bytes|([\d.]+ .iB))", RegexOptions.IgnoreCase)

    match error with
    | _ when asked.Groups[1].Success -> Some(Math.Ceiling(float asked.Groups[1].Value / 1e9).ToString("#,0", CultureInfo.InvariantCulture) + " GB")
    | _ when asked.Groups[2].Success -> Some asked.Groups[2].Value
    | :? OutOfMemoryException -> Some "more than there is"
    | :? ArgumentException when error.Message.StartsWith "Span only supports up to int.MaxValue" -> Some "a tensor of more than 2,147,483,647 numbers"
    | _ -> None

/// The exit code of an error and what to tell the user.
let rec describe (error: exn) =
    match error with
    | :? NoisyException as e -> e.ExitCode, e.Message
    | :? InvalidSpecException as e -> 2, String.Join("\n", e.Broken)
    | :? OperationCanceledException -> interrupted, "stopped"
    | :? AggregateException as e when e.InnerExceptions.Count = 1 -> describe e.InnerException
    | :? TypeInitializationException as e when not (isNull e.InnerException) -> describe e.InnerException
    | TooLarge amount ->
        2, $"not enough memory: the run tried to allocate {amount} at once. Choose smaller sizes with --set, such as hidden or batch, or a smaller preset"
    | :? FileNotFoundException | :? FileLoadException as e -> unexpected e // one of the program's own
    | :? IOException | :? UnauthorizedAccessException as e -> 2, $"cannot read or write a file: {e.Message}"
    | e -> unexpected e

and private unexpected (e: exn) =
    1, $"unexpected error: {e.GetType().Name}: {e.Message} (NOISY_DEBUG=1 shows where)"

/// The process that started this script waits for it. Once that is gone nobody does, and a run that went on unseen would
/// fight with its successor over the same folder.
let private watchParent (stop: CancellationTokenSource) =
    match Int32.TryParse(Environment.GetEnvironmentVariable "NOISY_PARENT") with
    | true, parent ->
        let watch () =
            while not stop.IsCancellationRequested && OtherProcess.IsAlive parent do
                stop.Token.WaitHandle.WaitOne 500 |> ignore

            stop.Cancel()

        Thread(watch, IsBackground = true, Name = "parent watch").Start()
    | _ -> ()

let private runOpen (main: CancellationToken -> int) : int =
    Terminal.UseUnicode()
    let output, errors = Console.Out, Console.Error
    let kept = new Streams.Output(output)
    Console.SetOut kept
    Console.SetError(new Streams.Output(errors))
    let stop = new CancellationTokenSource()

    let onSignal (context: PosixSignalContext) =
        context.Cancel <- true

        if not stop.IsCancellationRequested then
            eprintfn "\nstopping after this update (%O)" context.Signal
            stop.Cancel()

    let registrations =
        [ for signal in [ PosixSignal.SIGINT; PosixSignal.SIGTERM; PosixSignal.SIGHUP ] ->
              PosixSignalRegistration.Create(signal, onSignal) ]

    watchParent stop

    try
        try
            let code = main stop.Token
            Console.Out.Flush()

            if code = 0 && not (isNull kept.Failure) then
                eprintfn "standard output could not be written (%s): part of what was to be told is lost" kept.Failure.Message
                2
            else
                code
        with error ->
            let code, message = describe error
            Console.Out.Flush()
            eprintfn "%s" message
            if debugging () then eprintfn "%O" error
            code
    finally
        for registration in registrations do
            registration.Dispose()

        Console.SetOut output
        Console.SetError errors

/// Runs a script's work and gives the exit code for `exit`.
///
/// main: the work; its argument is cancelled by SIGINT, SIGTERM and SIGHUP and when the process that started this one is
/// gone, and it is then expected to come to an orderly end. Errors that a user can fix are one message on standard
/// error; any other is one line too, and a stack trace only if NOISY_DEBUG is 1.
let run (main: CancellationToken -> int) : int = if Streams.areOpen () then runOpen main else 2
