/// Mutated inputs for every reader: nothing but a documented refusal may come of one.
module Noisy.Reliability.Fuzz

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.Threading
open Noisy.Reliability.FuzzWorker

/// What is tried. Inputs: at most so many; Jobs: workers at once; Folder: where failing inputs are kept.
type FuzzOptions = { Seed: int64; Inputs: int64; Limit: Limit; Jobs: int; Folder: string }

type Found = { Times: int; Message: string; File: string }

/// What came of it: inputs read, time, failures by reader and place.
type FuzzReport = { Read: int64; Seconds: float; Failures: Map<string * string, Found> }

/// A worker that dies or hangs is started anew behind the input that did it.
let private stuckSeconds = 60.0

let run (tell: string -> unit) (options: FuzzOptions) =
    let root = Directory.CreateTempSubdirectory "noisy-fuzz-"

    try
        let run = Path.Combine(root.FullName, "run")
        Seeds.prepare run
        let failures = Dictionary<string * string, Found>()
        let gate = obj ()
        let mutable read = 0L

        let note reader where message file =
            lock gate (fun () ->
                match failures.TryGetValue((reader, where)) with
                | true, found -> failures[(reader, where)] <- { found with Times = found.Times + 1 }
                | _ ->
                    failures[(reader, where)] <- { Times = 1; Message = message; File = file }
                    tell $"{reader}: {where}: {message} {file}")

        let job (index: int) =
            let scratch = Path.Combine(root.FullName, $"scratch{index}")
            let markFile = Path.Combine(root.FullName, $"mark{index}")
            use mark = new Mark(markFile)
            let step = int64 options.Jobs
            let mutable from = int64 index

            while from < options.Inputs && not options.Limit.IsOver do
                mark.Now <- from

                let task =
                    { Seed = options.Seed
                      From = from
                      Until = options.Inputs
                      Step = step
                      Run = run
                      Scratch = scratch
                      Failures = options.Folder
                      Mark = markFile }

                use child = Program.start ("fuzz-worker" :: words task)
                let errors = child.StandardError.ReadToEndAsync()

                let listen =
                    Thread((fun () ->
                        let mutable line = child.StandardOutput.ReadLine()

                        while not (isNull line) do
                            match line.Split '\t' with
                            | [| reader; where; file; message |] -> note reader where message file
                            | _ -> note "?" "an answer that cannot be read" line ""

                            line <- child.StandardOutput.ReadLine()))

                listen.Start()
                let mutable last, since = -1L, Stopwatch.StartNew()
                let mutable stuck = false

                while not (child.WaitForExit 200) do
                    if mark.Now <> last then
                        last <- mark.Now
                        since <- Stopwatch.StartNew()
                    elif since.Elapsed.TotalSeconds > stuckSeconds then
                        stuck <- true
                        child.Kill()

                    if options.Limit.IsOver && not stuck then child.Kill()

                listen.Join()
                let at = mark.Now
                let before = from

                if child.ExitCode <> 0 && (stuck || not options.Limit.IsOver) then
                    // The input is made again here, where it is not read.
                    let readers = Array.ofList (Readers.all scratch run)
                    let reader, input = Trial.input options.Seed at readers
                    let file = Trial.save options.Folder options.Seed at reader input
                    let first = errors.Result.Split '\n' |> Array.tryFind (fun line -> line.Trim() <> "") |> Option.defaultValue ""
                    note reader.Name (if stuck then "does not come to an end" else $"the process died, exit code {child.ExitCode}") first file
                    from <- at + step
                else
                    from <- if child.ExitCode = 0 then options.Inputs else at

                lock gate (fun () -> read <- read + (min from options.Inputs - before + step - 1L) / step)

        let threads = [ for index in 0 .. options.Jobs - 1 -> Thread((fun () -> job index), IsBackground = true) ]
        for thread in threads do thread.Start()
        for thread in threads do thread.Join()
        { Read = read; Seconds = options.Limit.Seconds; Failures = Map [ for entry in failures -> entry.Key, entry.Value ] }
    finally
        root.Delete true

/// Prints the report; the exit code.
let print (report: FuzzReport) =
    printfn "%d inputs in %.0f s, %.0f a second" report.Read report.Seconds (float report.Read / report.Seconds)

    for KeyValue((reader, where), found) in report.Failures do
        printfn "FAILED %s: %s, %d times: %s" reader where found.Times found.Message
        printfn "       replay with --replay %s" found.File

    if report.Failures.IsEmpty then
        printfn "no failure: every input was read, or refused as documented"
        0
    else
        1

/// Reads one saved input again; the exit code.
let replay (path: string) =
    let root = Directory.CreateTempSubdirectory "noisy-replay-"

    try
        let run = Path.Combine(root.FullName, "run")
        Seeds.prepare run
        let readers = Array.ofList (Readers.all root.FullName run)

        match Trial.readerOf path readers with
        | None ->
            eprintfn "%s: its name does not begin with a reader's; known are %s" path (String.Join(", ", [ for r in readers -> r.Name ]))
            2
        | Some reader ->
            let shown input =
                try
                    reader.Read input
                with error ->
                    eprintfn "%O" error
                    reraise ()

            match Trial.attempt { reader with Read = shown } false (File.ReadAllBytes path) with
            | None ->
                printfn "%s: read, or refused as documented" reader.Name
                0
            | Some failure ->
                printfn "%s: %s: %s" reader.Name failure.Where failure.Message
                1
    finally
        root.Delete true
