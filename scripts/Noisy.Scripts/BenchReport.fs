/// What the benchmark tells: records as JSON, a table, the share of each stage, the physical limits.
module Noisy.Scripts.BenchReport

open System
open System.Diagnostics
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Scripts.BenchMachine
open Noisy.Scripts.BenchSizes
open Noisy.Scripts.BenchSuites
open Noisy.FSharp.Options

/// The records as a JSON list, with the ceiling that was measured beside them; null for one on other threads.
let json (ceiling: Ceiling) (records: Record list) =
    let list = JsonArray()

    for r in records do
        let item = JsonObject()
        item["suite"] <- r.Suite
        item["config"] <- r.Config
        item["what"] <- r.What
        item["activation"] <- r.Activation
        item["baseline"] <- r.Baseline
        item["path"] <- r.Path
        item["threads"] <- r.Threads
        item["processor"] <- r.Processor
        item["ratio"] <- r.Ratio
        item["ratio_low"] <- r.Low
        item["ratio_high"] <- r.High
        item["ratio_q1"] <- r.FirstQuartile
        item["ratio_q3"] <- r.ThirdQuartile
        item["median_ms"] <- r.MedianMs
        item["baseline_ms"] <- r.BaselineMs
        item["rounds"] <- r.Rounds
        item["gflops"] <- r.Gflops
        item["ceiling_gflops"] <- null
        if r.Threads = ceiling.Threads then item["ceiling_gflops"] <- ceiling.Gflops
        list.Add item

    list.ToJsonString(JsonSerializerOptions(WriteIndented = true))

/// Writes the file; a folder that is not there is made.
let save (file: string) text =
    writing "--json" file (fun () ->
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath file)) |> ignore
        File.WriteAllText(file, text + "\n"))

/// Prints the table.
let table (ceiling: Ceiling) (records: Record list) =
    let head =
        [ "suite"; "config"; "what"; "activation"; "path"; "against"; "ratio"; "quartiles"; "min/min"; "ms"; "baseline ms"; "rounds"; "GFLOP/s"; "of ceiling" ]

    let body =
        [ for r in records do
              let products = r.Gflops > 0.0

              [ r.Suite; r.Config; r.What; r.Activation; r.Path; r.Baseline
                $"%.3f{r.Ratio}"; $"%.3f{r.FirstQuartile} to %.3f{r.ThirdQuartile}"; $"%.3f{r.BestRatio}"; $"%.2f{r.MedianMs}"; $"%.2f{r.BaselineMs}"; string r.Rounds
                (if products then $"%.1f{r.Gflops}" else "–")
                (if products && r.Threads = ceiling.Threads then $"%.0f{100.0 * r.Gflops / ceiling.Gflops} %%" else "–") ] ]

    Results.printTable [ "suite"; "config"; "what"; "activation"; "path"; "against" ] [ "what"; "ratio" ] head body

/// Prints where the time of a piece of work goes, and for stages that are products their rate.
///
/// operations: of each stage that is a product.
let shares title seconds (ceiling: Ceiling) (operations: Map<string, float>) (work: BenchWork.Work) =
    for _ in 1 .. 3 do work.Run()
    let start = Stopwatch.GetTimestamp()
    let mutable count = 0
    EngineBenchmark.StartProfile()

    while count = 0 || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds do
        work.Run()
        count <- count + 1

    let total = Stopwatch.GetElapsedTime(start).TotalSeconds
    let parts = EngineBenchmark.StopProfile()
    let rest = total - Seq.sumBy (fun struct (_, time) -> time) parts
    printfn ""
    printfn "%s: %.2f ms, of which" title (1e3 * total / float count)

    for struct (stage, time) in Seq.append parts [ struct ("everything else", rest) ] do
        let rate =
            match operations.TryFind stage with
            | Some products -> 1e-9 * products * float count / time |> fun rate -> $"  %5.1f{rate} GFLOP/s  %3.0f{100.0 * rate / ceiling.Gflops} %% of the ceiling"
            | None -> ""

        printfn "  %-20s %8.3f ms  %5.1f %%%s" stage (1e3 * time / float count) (100.0 * time / total) rate

/// Prints where the time of our training step goes, and what bounds it from below.
let stages (ceiling: Ceiling) cell (size: Size) seconds =
    let work = BenchWork.ourStep cell size Variants.Nah Backend.Auto

    try
        shares $"{size.Name} {(string cell).ToUpperInvariant()} step" seconds ceiling (stageOperations cell size) work
        let operations, bytes = stepOperations cell size, stepBytes cell size
        printfn "  products: %.2f GFLOP, at the ceiling %.2f ms" (1e-9 * operations) (1e-6 * operations / ceiling.Gflops)
        printfn "  memory:   at least %.1f MB, at the rate of a copy %.2f ms" (1e-6 * bytes) (1e-6 * bytes / ceiling.Gigabytes)
    finally
        work.Free()

/// Prints where the time of a machine's update goes.
let machineStages ceiling (config: RunConfig) seconds =
    let own = config.SettingsAs<NtmRecallSettings>()
    let work = BenchTasks.recall config Backend.Auto

    try
        shares $"{config.Preset} B{own.Batch} machine, {own.Controller}, {AssociativeRecall.Steps own.MaxItems} time steps" seconds ceiling Map.empty work
    finally
        work.Free()
