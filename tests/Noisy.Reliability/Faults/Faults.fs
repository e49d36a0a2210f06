/// Full disks, folders that vanish and damaged files: what is promised for each is tried.
module Noisy.Reliability.Faults

open System
open System.IO
open System.Threading
open Noisy.Reliability.Damage
open Noisy.Reliability.Program
open Noisy.Reliability.Promise
open Noisy.Reliability.SmallRuns

/// Points: at most so many, drawn from all; Kinds: of disk, folder, file.
type FaultOptions = { Points: int; Limit: Limit; Jobs: int; Experiments: string list; Kinds: string list }

/// A fault: its name, and what is wrong with what came of it when it is tried in a folder of its own.
type Point = { Name: string; Try: string -> string list }

type FaultReport = { Tried: Map<string, int>; Left: int; Seconds: float; Failures: string list }

let private page = 4096L
let private roomy = 1L <<< 28

let private run small out more =
    use child = new Child(command small out more)
    child.End longest

let private labelled label failures = failures |> List.map (fun (what: string) -> $"{label}: {what}")

/// The same command without the fault.
let private again allowed (whole: Whole) out = run whole.Small out [] |> keeps allowed whole out |> labelled "the same command again"

// ---- The disk is full -----------------------------------------------------------------------------------------------

let private fullDisk (whole: Lazy<Whole>) (bytes: unit -> int64) out =
    let small = whole.Value.Small
    Mounts.mount out (bytes ())

    try
        let ended = run small out []
        let first = ended |> keeps [ Same; Refused ] whole.Value out
        let trained = File.Exists(Path.Combine(folder small out, "summary.json"))
        let hasTable = ended.Output.Contains $"{Path.GetFileName(folder small out)} |"
        let table = if trained && not hasTable then [ "the run is trained, but its table is not printed" ] else []
        Mounts.resize out roomy
        first @ table @ again [ Same ] whole.Value out
    finally
        Mounts.unmount out

/// Bytes of what training itself writes: all but the pictures.
let private trained (whole: Whole) root =
    Directory.GetFiles(folder whole.Small (Path.Combine(root, "whole-" + whole.Small.Experiment)), "*", SearchOption.AllDirectories)
    |> Array.filter (fun file -> not (file.EndsWith ".html" || file.EndsWith ".png"))
    |> Array.sumBy (fun file -> (FileInfo(file).Length + page - 1L) / page * page)

let private disks root (whole: Lazy<Whole>) (name: string) fine =
    // A third checkpoint is written before the first is deleted.
    let most () = 3L * trained whole.Value root / 2L
    let early = if fine then 40 else 3
    let late = if fine then 12 else 4

    [ for i in 1..early ->
          { Name = $"disk full, {name}, {i}/{early} of what training writes"
            Try = fullDisk whole (fun () -> max page (int64 i * most () / int64 early)) }
      for i in 1..late ->
          { Name = $"disk full, {name}, {i}/{late} of what pictures and tables add"
            Try = fullDisk whole (fun () -> most () + int64 i * (whole.Value.Bytes - trained whole.Value root) / int64 late) } ]

// ---- A folder or file vanishes while it is trained ------------------------------------------------------------------

let private vanishing (whole: Lazy<Whole>) what allowed out =
    let small = whole.Value.Small
    let log = Path.Combine(folder small out, "log.jsonl")
    use child = new Child(command small out [])
    // Well within training, and after checkpoints.
    while not child.HasEnded && not (File.Exists log && FileInfo(log).Length > int64 (whole.Value.Left.Log.Length / 3)) do Thread.Sleep 2

    if child.HasEnded then
        [ "it ended before the fault" ]
    else
        match what with
        | "" -> Directory.Delete(out, true)
        | _ ->
            let path = Path.Combine(folder small out, what)
            if Directory.Exists path then Directory.Delete(path, true) else File.Delete path

        let first = child.End longest |> keeps allowed whole.Value out
        first @ again [ Same; LogGap ] whole.Value out

let private folders (whole: Lazy<Whole>) =
    [ for what, label, allowed in
          [ "", "the results' folder", [ Refused ]
            ".", "the run's folder", [ Refused ]
            "checkpoint", "the checkpoints", [ Same; Refused ]
            "log.jsonl", "the log", [ Same; LogGap; Refused ]
            "config.json", "the config", [ Same; Refused ]
            ".lock", "the lock", [ Same; Refused ] ] ->
          { Name = $"{label} removed while it is trained"; Try = vanishing whole what allowed } ]

// ---- A file is damaged ----------------------------------------------------------------------------------------------

let private copy (source: string) (target: string) =
    for file in Directory.GetFiles(source, "*", SearchOption.AllDirectories) do
        let path = Path.Combine(target, Path.GetRelativePath(source, file))
        Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
        File.Copy(file, path)

/// A run that was killed once it had two checkpoints and not yet a summary.
let private unfinished root small =
    let out = Path.Combine(root, "unfinished-" + small.Experiment)
    use child = new Child(command small out [])
    let checkpoints = Path.Combine(folder small out, "checkpoint")
    while not child.HasEnded && not (Directory.Exists checkpoints && Directory.GetFiles(checkpoints, "*.sha256").Length > 1) do Thread.Sleep 1
    child.Kill()
    child.End longest |> ignore
    if File.Exists(Path.Combine(folder small out, "summary.json")) then failwith $"{small.Experiment}: the run ended before it was killed"
    out

let private damaged (whole: Lazy<Whole>) (source: Lazy<string>) finished target damage out =
    copy source.Value out
    for file in files (folder whole.Value.Small out) target do apply damage file
    run whole.Value.Small out [] |> keeps (promise finished target damage) whole.Value out

let private filesOf root (whole: Lazy<Whole>) (name: string) =
    let interrupted = lazy unfinished root whole.Value.Small
    let complete = lazy (whole.Value |> ignore; Path.Combine(root, "whole-" + name))

    [ for state, source, finished in [ "an unfinished", interrupted, false; "a finished", complete, true ] do
          for target in targets finished do
              for damage in Damage.all ->
                  { Name = $"{Damage.name target} of {state} run, {Damage.describe damage}"; Try = damaged whole source finished target damage } ]

// ---- All ------------------------------------------------------------------------------------------------------------

let private points root options =
    let wholes = [ for name in options.Experiments -> name, lazy whole root (named name).Value ]
    let first, one = List.head wholes
    let long = { (named first).Value with Fields = List.filter (fun (field: string) -> not (field.StartsWith "epochs=")) (named first).Value.Fields @ [ "epochs=40" ] }
    let slow = lazy whole (Path.Combine(root, "long")) long

    [ if List.contains "disk" options.Kinds then
          for name, whole in wholes do yield! disks root whole name (name = first)
      if List.contains "folder" options.Kinds then yield! folders slow
      if List.contains "file" options.Kinds then yield! filesOf root one first ]

/// So many of a list, drawn by a fixed key, in its order.
let private some count (list: 'T list) =
    let drawn = List.indexed list |> List.sortBy (fun (i, _) -> (Choice.at 1L (int64 i)).Next()) |> List.truncate count
    drawn |> List.sortBy fst |> List.map snd

let attempt (tell: string -> unit) (options: FaultOptions) =
    let root = Directory.CreateTempSubdirectory("noisy-faults-").FullName
    let gate = obj ()
    let failures, tried = ResizeArray<string>(), ResizeArray<string>()
    let queue = Collections.Generic.Queue(points root options |> some options.Points |> List.indexed)

    let job () =
        let take () =
            lock gate (fun () -> if queue.Count > 0 && not options.Limit.IsOver then Some(queue.Dequeue()) else None)

        let rec go () =
            match take () with
            | None -> ()
            | Some(number, point) ->
                let out = Path.Combine(root, $"point{number}")
                let wrong = try point.Try out with error -> [ $"could not be tried: {error.Message}" ]

                lock gate (fun () ->
                    tried.Add((point.Name.Split ',')[0])
                    for what in wrong do failures.Add $"{point.Name}: {what}"
                    for what in wrong do tell $"FAILED {point.Name}: {what}"
                    tell $"{tried.Count} points, {failures.Count} failures: {point.Name}")

                if wrong.IsEmpty && Directory.Exists out then Directory.Delete(out, true)
                go ()

        go ()

    let threads = [ for _ in 1 .. options.Jobs -> Thread(job, IsBackground = true) ]
    for thread in threads do thread.Start()
    for thread in threads do thread.Join()
    if failures.Count = 0 then Directory.Delete(root, true)

    { Tried = tried |> Seq.countBy id |> Map.ofSeq
      Left = queue.Count
      Seconds = options.Limit.Seconds
      Failures = List.ofSeq failures }

/// Prints the report; the exit code.
let print (report: FaultReport) =
    let left = if report.Left > 0 then $", {report.Left} left untried" else ""
    printfn "%d points in %.0f s%s" (report.Tried |> Map.toSeq |> Seq.sumBy snd) report.Seconds left
    for KeyValue(kind, count) in report.Tried do printfn "%5d %s" count kind
    for failure in report.Failures do printfn "FAILED %s" failure

    if report.Failures.IsEmpty then
        printfn "no failure: every promise was kept"
        0
    else
        1
