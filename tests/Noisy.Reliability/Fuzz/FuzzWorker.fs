/// The process that reads mutated inputs: it may die of one, so that the process which started it does not.
module Noisy.Reliability.FuzzWorker

open System
open System.Collections.Generic
open System.IO
open System.IO.MemoryMappedFiles
open System.Threading
open TorchSharp

/// The number of the input that a worker is at, in a file that outlives it.
type Mark(path: string) =
    let file = MemoryMappedFile.CreateFromFile(path, FileMode.OpenOrCreate, null, 16L)
    let view = file.CreateViewAccessor(0L, 16L)
    member _.Now with get () = view.ReadInt64 0L and set (number: int64) = view.Write(0L, number)

    interface IDisposable with
        member _.Dispose() =
            view.Dispose()
            file.Dispose()

/// What a worker is told. Inputs from, from + step, …, below until.
type Task = { Seed: int64; From: int64; Until: int64; Step: int64; Run: string; Scratch: string; Failures: string; Mark: string }

let words task =
    [ string task.Seed; string task.From; string task.Until; string task.Step; task.Run; task.Scratch; task.Failures; task.Mark ]

let private saved = 3

/// Reads the inputs; a line on standard output for each failure: reader, where, file, message, separated by tabs.
let work (stop: CancellationToken) (words: string list) =
    match words with
    | [ seed; from; until; step; run; scratch; failures; mark ] ->
        let seed, from, until, step = int64 seed, int64 from, int64 until, int64 step
        let answer = Console.Out
        Console.SetOut TextWriter.Null // --help prints
        Directory.CreateDirectory scratch |> ignore
        let readers = Array.ofList (Readers.all scratch run)
        use mark = new Mark(mark)
        let times = Dictionary<string * string, int>()
        let mutable number = from

        while number < until && not stop.IsCancellationRequested do
            mark.Now <- number
            let reader, input = Trial.input seed number readers
            use _ = torch.NewDisposeScope()

            match Trial.attempt reader (Trial.isSound number readers) input with
            | None -> ()
            | Some failure ->
                let key = failure.Reader, failure.Where
                times[key] <- times.GetValueOrDefault key + 1
                let file = if times[key] <= saved then Trial.save failures seed number reader input else ""
                let message = failure.Message.ReplaceLineEndings(" ").Replace('\t', ' ')
                answer.WriteLine(String.Join('\t', [ failure.Reader; failure.Where; file; message[.. min 300 message.Length - 1] ]))
                answer.Flush()

            number <- number + step

        mark.Now <- number
        if number < until then Noisy.FSharp.Host.interrupted else 0
    | _ -> invalidArg (nameof words) "a worker needs eight words"
