/// Memory of a training step and of a model in use: its peak, ours and others', and whether it grows.
module Noisy.Scripts.BenchMemory

open System
open System.Diagnostics
open System.IO
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Scripts.BenchOptions
open Noisy.Scripts.BenchSizes
open Noisy.FSharp.Options

let private steps = 12

/// In a process of its own: makes some steps, prints the peak in MB.
let child (work: string) (size: Size) =
    let made =
        match work with
        | work when work.Contains ':' ->
            let runtime, path = work[.. work.IndexOf ':' - 1], work[work.IndexOf ':' + 1 ..]
            printf "%.1f " (BenchInference.opened runtime path size)
            None
        | "ours" -> Some(BenchWork.ourStep Lstm size Variants.Nah Backend.Auto)
        | "libtorch" -> Some(BenchWork.theirStep Lstm size BenchWork.ZeroGrad)
        | "nothing" -> None
        | other -> refuse $"--memory-of is '{other}': must be ours, libtorch or nothing"

    made |> Option.iter (fun work -> for _ in 1 .. steps do work.Run())
    printfn "%.1f" (BenchMachine.peak ())

/// Runs this script again for one piece of work; what it prints, its peak in MB last.
let private measured threads (size: Size) (work: string) =
    let words = Environment.GetCommandLineArgs()

    match words |> Array.tryFindIndex (fun word -> Path.GetFileName word = "bench.fsx") with
    | None -> refuse "--memory starts the script anew for each measurement: run it as dotnet fsi scripts/bench.fsx"
    | Some script ->
        let own = [ "--"; "--memory-of"; work; "--config"; size.Name; "--threads"; string threads ]
        let start = ProcessStartInfo(Environment.ProcessPath, List.ofArray words[..script] @ own, RedirectStandardOutput = true)
        use child = Process.Start start
        let output = child.StandardOutput.ReadToEnd()
        child.WaitForExit()
        if child.ExitCode <> 0 then failwith $"the process that measures '{work}' ended with exit code {child.ExitCode}"
        output.Trim().Split ' ' |> Array.map float |> List.ofArray

/// Peaks of an LSTM training step, each in a fresh process.
let report (options: BenchOptions) =
    OnnxLibrary.need "--memory" "" (fun () -> Microsoft.ML.OnnxRuntime.OrtEnv.Instance() |> ignore)

    for size in options.Sizes do
        let peaks = [ "nothing"; "libtorch"; "ours" ] |> List.map (fun work -> work, List.last (measured options.Threads size work))
        let empty, theirs, ours = snd peaks[0], snd peaks[1], snd peaks[2]
        printfn "%s LSTM training step, peak resident memory of a fresh process after %d updates:" size.Name steps
        printfn "  nothing but the runtimes  %8.1f MB" empty
        printfn "  libtorch, without noise   %8.1f MB, %8.1f MB above" theirs (theirs - empty)
        printfn "  ours, nah                 %8.1f MB, %8.1f MB above: %.2f times libtorch's" ours (ours - empty) ((ours - empty) / (theirs - empty))

        printfn "%s LSTM language model, from a file to its first logits in a fresh process:" size.Name

        for runtime, bytes in BenchInference.runtimes do
            let path = Path.GetTempFileName()

            try
                TorchNative.EnsureLoaded()
                File.WriteAllBytes(path, bytes size)

                match measured options.Threads size $"{runtime}:{path}" with
                | [ ms; peak ] -> printfn "  %-24s  %8.1f MB above the runtimes, %6.0f ms" runtime (peak - empty) ms
                | other -> failwith $"the process that measures '{runtime}' printed {other}"
            finally
                File.Delete path

/// Whether memory at the end is more than memory after a fifth of the way allows: 5 % and 20 MB above.
let grows (atFifth: float) (atEnd: float) = atEnd > 1.05 * atFifth + 20.0

/// Makes many updates and prints resident memory at ten points; the exit code.
let soak stopped (size: Size) (updates: int64) =
    let work = BenchWork.ourStep Lstm size Variants.Nah Backend.Auto
    let points = ResizeArray<float>()

    try
        for update in 1L .. updates do
            if stopped () then raise (OperationCanceledException())
            work.Run()

            if update * 10L / updates > int64 points.Count then
                points.Add(BenchMachine.resident ())
                printfn "%10d updates: %8.1f MB resident" update points[points.Count - 1]
    finally
        work.Free()

    let fifth, last = points[1], points[points.Count - 1]

    if grows fifth last then
        eprintfn "memory grew from %.1f MB at a fifth of the way to %.1f MB at its end" fifth last
        1
    else
        printfn "memory is steady: %.1f MB at a fifth of the way, %.1f MB at the end" fifth last
        0
