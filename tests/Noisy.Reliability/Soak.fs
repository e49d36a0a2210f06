/// Hours of training: memory and the number of tensors stay where they were after the first fifth.
module Noisy.Reliability.Soak

open System
open System.Diagnostics
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Scripts
open Noisy.Scripts.BenchSizes
open TorchSharp

/// Updates: of each loop; Sizes: of the benchmark; Loops: ours, torch.
type SoakOptions = { Updates: int64; Limit: Limit; Sizes: string list; Loops: string list; Threads: int }

/// What is measured at a point. Megabytes: resident; Tensors: those that live; Kept: those that live after garbage was collected.
type Point = { Update: int64; Megabytes: float; Tensors: int64; Kept: int64 }

type SoakReport = { What: string; Points: Point list; Seconds: float; Failures: string list }

let private points = 20L

/// Whoever leaves a tensor to the collector has at most so many of them at once.
let private spare = 100L

let private loops =
    [ "ours", (fun size -> BenchWork.ourStep Lstm size Variants.Nah Backend.Auto)
      "torch", (fun size -> BenchWork.dropIn Lstm size Variants.Nah { Optimiser = false; Ends = false }) ]

let private measure update =
    let tensors = torch.Tensor.TotalCount
    GC.Collect()
    GC.WaitForPendingFinalizers()
    { Update = update; Megabytes = BenchMachine.resident (); Tensors = tensors; Kept = torch.Tensor.TotalCount }

/// What climbs from a fifth of the way to its end.
let climbs (points: Point list) =
    match points with
    | [] -> [ "nothing was measured" ]
    | _ ->
        let fifth, last = points[points.Length / 5], List.last points
        let rest = points |> List.skip (points.Length / 5)

        [ if BenchMemory.grows fifth.Megabytes last.Megabytes then $"resident memory from %.1f{fifth.Megabytes} to %.1f{last.Megabytes} MB"
          if last.Kept > fifth.Kept then $"tensors that are kept, from {fifth.Kept} to {last.Kept}"
          match rest |> List.tryFind (fun point -> point.Tensors > fifth.Kept + spare) with
          | Some point -> $"tensors that live, from {fifth.Kept} to {point.Tensors} at update {point.Update}"
          | None -> () ]

let private one (tell: string -> unit) options size name make =
    let what = $"""{size.Name}, {if name = "ours" then "our optimiser" else "torch's optimiser"}, {options.Threads} threads"""
    let work: BenchWork.Work = make size
    let clock = Stopwatch.StartNew()
    let found = ResizeArray<Point>()
    let every = max 1L (options.Updates / points)
    let mutable update = 0L

    try
        while update < options.Updates && not options.Limit.IsOver do
            work.Run()
            update <- update + 1L

            if update % every = 0L then
                let point = measure update
                found.Add point
                let tensors = $"%d{point.Tensors} tensors, %d{point.Kept} of them kept"
                tell $"{what}: %7d{update} updates %8.1f{point.Megabytes} MB resident, {tensors}, %.0f{clock.Elapsed.TotalSeconds} s"
    finally
        work.Free()

    { What = $"{what}, {update} updates"; Points = List.ofSeq found; Seconds = clock.Elapsed.TotalSeconds; Failures = climbs (List.ofSeq found) }

let run tell options =
    torch.set_num_threads options.Threads

    [ for name in options.Sizes do
          let size = BenchSizes.all |> List.find (fun size -> size.Name = name)
          for loop, make in loops do
              if List.contains loop options.Loops then one tell options size loop make ]

/// Prints the reports; the exit code.
let print (reports: SoakReport list) =
    for report in reports do
        let peak = if report.Points.IsEmpty then 0.0 else report.Points |> List.map _.Megabytes |> List.max
        printfn "%s: %.0f s, at most %.1f MB resident" report.What report.Seconds peak
        for failure in report.Failures do printfn "FAILED %s: %s" report.What failure

    if reports |> List.forall _.Failures.IsEmpty then
        printfn "no failure: nothing climbs"
        0
    else
        1
