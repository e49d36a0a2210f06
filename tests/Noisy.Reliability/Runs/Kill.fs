/// kill -9 at random moments, then the same command again: in the end everything is as if nothing had happened.
module Noisy.Reliability.Kill

open System
open System.Diagnostics
open System.IO
open System.Threading
open Noisy.Reliability.Program
open Noisy.Reliability.SmallRuns

/// Kills: so many at least; Jobs: trials at once; Experiments: names, in turn.
type KillOptions = { Seed: int64; Kills: int; Limit: Limit; Jobs: int; Experiments: string list }

/// When a process is killed: a share of the time that an uninterrupted run takes, or so many changes of files after its start.
type Moment =
    | Time of float
    | Changes of int

type KillReport = { Trials: int; Kills: int; TooLate: int; Seconds: float; Failures: string list }

/// Watches a folder; the number of changes of files so far.
type private Watch(folder: string) =
    let mutable count = 0
    let watcher = new FileSystemWatcher(Directory.CreateDirectory(folder).FullName, IncludeSubdirectories = true)

    do
        let changed _ = Interlocked.Increment &count |> ignore
        watcher.Created.Add changed
        watcher.Changed.Add changed
        watcher.Deleted.Add changed
        watcher.Renamed.Add changed
        watcher.EnableRaisingEvents <- true

    member _.Count = Volatile.Read &count

    interface IDisposable with
        member _.Dispose() = watcher.Dispose()

/// Starts a run and kills it at a moment; None if it ended before, with its exit code.
let private killAt (whole: Whole) out moment =
    use watch = new Watch(out)
    use child = new Child(command whole.Small out [])
    let clock = Stopwatch.StartNew()

    let reached () =
        match moment with
        | Time share -> clock.Elapsed.TotalSeconds >= share * whole.Seconds
        | Changes number -> watch.Count >= number

    while not child.HasEnded && not (reached ()) do
        Thread.Sleep 1

    if child.HasEnded then
        Some(child.End longest)
    else
        child.Kill()
        child.End longest |> ignore
        None

/// Changes of files in an uninterrupted run, about: an update is one, for the log.
let private changesOf (whole: Whole) = 60 + (whole.Left.Log |> Seq.filter ((=) '\n') |> Seq.length)

let private moment (choose: Choice.Choices) whole =
    if choose.Once 3 then Time(choose.Share()) else Changes(1 + choose.Below(changesOf whole))

let private describe moment =
    match moment with
    | Time share -> $"%.2f{share} of the time"
    | Changes number -> $"%d{number} changes"

/// One trial: some kills, then the run to its end. Kills made, those that came too late, and what is wrong.
let trial root seed number (whole: Whole) =
    let choose = Choice.at seed number
    let out = Path.Combine(root, $"trial{number}")
    let moments = List.init (1 + choose.Below 4) (fun _ -> moment choose whole)
    let ended = moments |> List.map (fun moment -> killAt whole out moment)
    let wrongCodes = [ for e in List.choose id ended do if e.Code <> 0 then $"exit code {e.Code}: {e.Errors.Trim()}" ]
    use child = new Child(command whole.Small out [])
    let last = child.End longest

    let wrong =
        if last.Code <> 0 then
            [ $"exit code {last.Code} when resumed: {last.Errors.Trim()}" ]
        else
            differences whole.Left (left whole.Small out)

    let failures =
        match wrongCodes @ wrong with
        | [] ->
            Directory.Delete(out, true)
            []
        | found ->
            let at, what = String.Join(", ", List.map describe moments), String.Join("; ", found)
            [ $"{whole.Small.Experiment}, trial {number} of seed {seed}, killed after {at}: {what} ({out})" ]

    let late = ended |> List.filter Option.isSome |> List.length
    moments.Length - late, late, failures

let run (tell: string -> unit) (options: KillOptions) =
    let root = Directory.CreateTempSubdirectory("noisy-kill-").FullName
    let smalls = [| for name in options.Experiments -> (named name).Value |]
    let wholes = smalls |> Array.map (fun small -> lazy whole root small)
    let gate = obj ()
    let mutable next, trials, kills, tooLate = 0L, 0, 0, 0
    let failures = ResizeArray<string>()

    let job () =
        let mutable going = true

        while going do
            let number = lock gate (fun () ->
                going <- kills < options.Kills && not options.Limit.IsOver
                next <- next + 1L
                next - 1L)

            if going then
                let made, late, wrong =
                    try
                        trial root options.Seed number wholes[int (number % wholes.LongLength)].Value
                    with error ->
                        going <- false
                        0, 0, [ error.Message ]

                lock gate (fun () ->
                    trials <- trials + 1
                    kills <- kills + made
                    tooLate <- tooLate + late
                    failures.AddRange wrong
                    for line in wrong do tell line
                    tell $"{kills} kills in {trials} trials, {failures.Count} failures")

    let threads = [ for _ in 1 .. options.Jobs -> Thread(job, IsBackground = true) ]
    for thread in threads do thread.Start()
    for thread in threads do thread.Join()
    if failures.Count = 0 then Directory.Delete(root, true)
    { Trials = trials; Kills = kills; TooLate = tooLate; Seconds = options.Limit.Seconds; Failures = List.ofSeq failures }

/// Prints the report; the exit code.
let print (report: KillReport) =
    printfn "%d kills in %d trials, %.0f s; %d moments came after the run's end" report.Kills report.Trials report.Seconds report.TooLate
    for failure in report.Failures do printfn "FAILED %s" failure

    if report.Failures.IsEmpty then
        printfn "no failure: every run ended with the bits of an uninterrupted one"
        0
    else
        1
