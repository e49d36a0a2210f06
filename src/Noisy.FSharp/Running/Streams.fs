/// Standard output and error of a script: what may be written there, and what happens if it cannot be.
module internal Noisy.FSharp.Streams

open System
open System.IO
open Noisy.Models

/// Whether both can be written; if one cannot, the other tells.
let areOpen () =
    let complain name (writer: TextWriter) = writer.WriteLine $"standard {name} is closed: redirect it to a file or to /dev/null"

    match Terminal.IsGiven 1, Terminal.IsGiven 2 with
    | true, true -> true
    | false, true -> complain "output" Console.Error; false
    | true, false -> complain "error" Console.Out; false
    | false, false -> false

/// Passes text on until that fails once; then it is silent, so that a full disk under a log does not end a training run.
type Output(inner: TextWriter) =
    inherit TextWriter()
    let mutable failure: exn = null

    let attempt (write: unit -> unit) =
        if isNull failure then
            try
                write ()
            with error ->
                failure <- error

    /// Why text was lost; null if none was.
    member _.Failure = failure

    override _.Encoding = inner.Encoding
    override _.Write(letter: char) = attempt (fun () -> inner.Write letter)
    override _.Write(text: string) = attempt (fun () -> inner.Write text)
    override _.Write(letters: char[], index: int, count: int) = attempt (fun () -> inner.Write(letters, index, count))
    override _.Flush() = attempt inner.Flush
