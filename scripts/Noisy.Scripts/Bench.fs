/// The benchmark: ours against libtorch, in turn, in one process.
module Noisy.Scripts.Bench

open System
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Scripts.BenchMachine
open Noisy.Scripts.BenchOptions
open Noisy.Scripts.BenchRounds
open Noisy.Scripts.BenchSizes
open Noisy.FSharp.Options
open TorchSharp

/// Everything that --quick and tests may make smaller.
///
/// Count: elements of the suite of activations; Presets: of the suites of experiments; CeilingSeconds: for each of the two
/// measurements of the ceiling.
type Effort =
    { Budget: Budget
      Count: int
      Presets: string list
      CeilingSeconds: float }

let private effort (options: BenchOptions) =
    { Budget = { Seconds = options.Seconds; Slice = 0.2; LeastRounds = 3; MostBefore = 50 }
      Count = BenchSuites.elements
      Presets = [ "small"; "paper" ]
      CeilingSeconds = 2.0 }

let private describe (c: Ceiling) =
    $"%.0f{c.Gflops} GFLOP/s in the first-level cache, %.1f{c.Gigabytes} GB/s of copying, %.0f{c.Barrier} ns for threads to meet"

/// The measurements of the options, after making sure that what they compare computes the same. tell: receives a line on each that another
/// build lacks.
let rows (tell: string -> unit) (effort: Effort) (options: BenchOptions) =
    let all = BenchSuites.plan options.Suites options.Sizes options.Threads effort.Count effort.Presets

    let chosen =
        match options.What with
        | None -> all
        | Some name ->
            match all |> List.filter (fun m -> m.What = name) with
            | [] ->
                let known = String.Join(", ", all |> List.map _.What |> List.distinct)
                refuse $"--what is '{name}': must be one of {known}"
            | some -> some

    if chosen |> List.exists (fun m -> m.Suite = "inference") then
        OnnxLibrary.need "--suite inference" "name another suite, or " (fun () ->
            for size in options.Sizes do
                for batch in BenchInference.batches do BenchInference.check size batch)

    match options.Pair with
    | None -> chosen
    | Some clone -> BenchPair.against (BenchPair.folderOf clone) (words options) effort.Count effort.Presets tell chosen

/// Makes the measurements; records and the machine's ceiling. tell: receives a line on each, when it is done.
let measure stopped (tell: string -> unit) (effort: Effort) rows (options: BenchOptions) =
    torch.set_num_threads options.Threads
    let start = ceiling options.Threads effort.CeilingSeconds
    tell $"ceiling at the start: {describe start}"

    let records =
        [ for m in rows do
              let record = BenchSuites.run stopped effort.Budget m

              tell (
                  sprintf "%-10s %-7s %-19s %-5s %-12s %6.3f times as fast as %s (%.3f by the shortest; %d rounds)"
                      record.Suite record.Config record.What record.Activation record.Path record.Ratio record.Baseline record.BestRatio record.Rounds
              )

              record ]

    let finish = ceiling options.Threads effort.CeilingSeconds
    tell $"ceiling at the end:   {describe finish}"
    best start finish, records

let private speed stopped (options: BenchOptions) =
    // What cannot be measured, or a file that cannot be written or compared with, is told before the minutes are spent; and the first of them
    // before an earlier file is replaced.
    let before = options.Compare |> Option.map (fun file -> file, BenchCompare.read file)
    let effort = effort options
    torch.set_num_threads options.Threads
    let rows = rows (printfn "%s") effort options
    options.Json |> Option.iter (fun file -> BenchReport.save file "[]")
    for line in settings options.Threads do printfn "%s" line
    let own () = System.Diagnostics.Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds
    let timesBefore, ownBefore = processorTimes (), own ()
    let ceiling, records = measure stopped (printfn "%s") effort rows options
    Option.map2 (fun before after -> disturbance before after (own () - ownBefore)) timesBefore (processorTimes ()) |> Option.iter (printfn "%s")
    options.Json |> Option.iter (fun file -> BenchReport.save file (BenchReport.json ceiling records))
    printfn ""
    BenchReport.table ceiling records
    BenchInferenceReport.table records
    before |> Option.iter (fun (file, earlier) -> BenchCompare.table file earlier records)

    for cell, suite in [ Lstm, "lstm"; Gru, "gru" ] do
        if List.contains suite options.Suites then
            for size in options.Sizes do
                BenchReport.stages ceiling cell size (0.25 * options.Seconds)

    if List.contains "ntm" options.Suites then
        for config in BenchSuites.machines "paper" do
            BenchReport.machineStages ceiling config (0.25 * options.Seconds)

    0

/// The script; the exit code.
let main (words: string[]) =
    Host.run (fun stop ->
        let stopped () = stop.IsCancellationRequested

        match read words with
        | None -> 0
        | Some options ->
            match options.Mode with
            | Memory ->
                BenchMemory.report options
                0
            | mode ->
                TorchNative.EnsureLoaded()
                torch.set_num_threads options.Threads

                match mode with
                | MemoryOf work ->
                    BenchMemory.child work options.Sizes.Head
                    0
                | Soak updates -> BenchMemory.soak stopped options.Sizes.Head updates
                | _ -> speed stopped options)
