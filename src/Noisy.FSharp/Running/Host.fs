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

/// An error of the user's own code. part: which, "the loss of 'mine', training, update 1".
type PartException(part: string, cause: exn) =
    inherit Exception($"in {part}: {cause.Message}", cause)
    member _.Part = part

/// Calls a part of the user's code; what it raises says where, unless it is a message already, or the wish to stop.
let within (part: unit -> string) (call: unit -> 'T) : 'T =
    try
        call ()
    with
    | :? NoisyException | :? InvalidSpecException | :? OperationCanceledException | :? PartException -> reraise ()
    | error -> raise (PartException(part (), error))

/// libtorch's message without the native stack that follows it.
let private withoutFrames (message: string) = Regex.Replace(message, @"\s*\(?Exception raised from .*", "", RegexOptions.Singleline)

let private named (e: exn) = $"{e.GetType().Name}: {withoutFrames e.Message} (NOISY_DEBUG=1 shows where)"

/// The exit code of an error and what to tell the user.
let rec describe (error: exn) =
    match error with
    | :? NoisyException as e -> e.ExitCode, e.Message
    | :? InvalidSpecException as e -> 2, String.Join("\n", e.Broken)
    | :? OperationCanceledException -> interrupted, "stopped"
    | :? PartException as e ->
        match e.InnerException, describe e.InnerException with
        | :? IOException, _ -> 2, $"in {e.Part}: cannot read or write a file: {e.InnerException.Message}"
        | cause, (1, _) -> 1, $"in {e.Part}: {named cause}"
        | _, (code, message) -> code, $"in {e.Part}: {message}"
    | :? AggregateException as e when e.InnerExceptions.Count = 1 -> describe e.InnerException
    | :? TypeInitializationException as e when not (isNull e.InnerException) -> describe e.InnerException
    | TooLarge amount ->
        2, $"not enough memory: the run tried to allocate {amount} at once. Choose smaller sizes with --set, such as hidden or batch, or a smaller preset"
    | :? FileNotFoundException | :? FileLoadException as e -> unexpected e // one of the program's own
    | :? IOException | :? UnauthorizedAccessException as e -> 2, $"cannot read or write a file: {e.Message}"
    | e -> unexpected e

and private unexpected (e: exn) = 1, $"unexpected error: {named e}"

/// The process that started this script waits for it, and so does `dotnet fsi`, which starts fsi itself. Once one is gone nobody waits, and
/// a run that went on unseen would fight with its successor over the same folder.
let private watchParent (stop: CancellationTokenSource) =
    let parents =
        [ match Int32.TryParse(Environment.GetEnvironmentVariable "NOISY_PARENT") with
          | true, parent -> parent
          | _ -> ()
          match OtherProcess.Launcher() with
          | 0 -> ()
          | launcher -> launcher ]

    if not parents.IsEmpty then
        let watch () =
            while not stop.IsCancellationRequested && List.forall OtherProcess.IsAlive parents do
                stop.Token.WaitHandle.WaitOne 500 |> ignore

            stop.Cancel()

        Thread(watch, IsBackground = true, Name = "parent watch").Start()

let private runOpen (main: CancellationToken -> int) : int =
    Terminal.UseUnicode()
    let output, errors = Console.Out, Console.Error
    let kept = new Streams.Output(output)
    Console.SetOut kept
    Console.SetError(new Streams.Output(errors))
    let stop = new CancellationTokenSource()
    let asked = ref 0

    let onSignal (context: PosixSignalContext) =
        context.Cancel <- true

        // Ctrl+C may arrive twice at once: from the terminal, and passed on by the process that started this one.
        if Interlocked.Exchange(asked, 1) = 0 then
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
