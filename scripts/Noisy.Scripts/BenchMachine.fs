/// The machine under the benchmark: settings, ceilings, memory.
module Noisy.Scripts.BenchMachine

open System
open System.Diagnostics
open System.IO
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open TorchSharp

/// What a machine does at best on so many threads: 10⁹ operations and 10⁹ copied bytes a second, and the 10⁻⁹ seconds in which the threads meet.
type Ceiling =
    { Threads: int
      Gflops: float
      Gigabytes: float
      Barrier: float }

/// Measures the ceiling; half the time goes to each of the first two. The last takes a moment more: until the compiler has compiled it again.
let ceiling threads seconds =
    { Threads = threads
      Gflops = EngineBenchmark.TileGflops(threads, 0.5 * seconds)
      Gigabytes = EngineBenchmark.CopyGigabytes(threads, 0.5 * seconds)
      Barrier = EngineBenchmark.BarrierNanoseconds(threads, 0.3) }

/// The better of two on the same threads, number by number: noise on a machine only ever slows it down.
let best (a: Ceiling) (b: Ceiling) =
    { a with
        Gflops = max a.Gflops b.Gflops
        Gigabytes = max a.Gigabytes b.Gigabytes
        Barrier = min a.Barrier b.Barrier }

let private read path =
    try
        (File.ReadAllText path).Trim()
    with _ ->
        "unknown"

/// The processor's name, as the system tells it.
let processor =
    lazy
        (let named =
            try
                File.ReadLines "/proc/cpuinfo"
                |> Seq.tryPick (fun line -> match line.Split(':', 2) with [| name; value |] when name.Trim() = "model name" -> Some(value.Trim()) | _ -> None)
            with _ ->
                None

         named
         |> Option.orElse (Option.ofObj (Environment.GetEnvironmentVariable "PROCESSOR_IDENTIFIER"))
         |> Option.defaultValue (string Runtime.InteropServices.RuntimeInformation.ProcessArchitecture))

/// Lines on everything that the figures depend on.
let settings threads =
    let setting name own =
        match Environment.GetEnvironmentVariable name with
        | null -> $"{name} {own}, as Noisy sets it"
        | value -> $"{name} {value}, as the environment has it"

    let natives = String.Join("; ", [ for struct (name, own) in NativeSettings.All -> setting name own ])

    let pages = read "/sys/kernel/mm/transparent_hugepage/enabled"
    let load = (read "/proc/loadavg").Split ' ' |> Array.head

    [ processor.Value
      $"threads {threads} of {Environment.ProcessorCount} processors, for libtorch and for the engine; load {load} before the start"
      $"engine's vectors {int (VectorWidths.Resolve FusedEngine.Width)} bits; {natives}"
      if Runtime.GCSettings.IsServerGC then
          "garbage collector with a heap a core, as fsi requests it; the scripts' own start sets DOTNET_gcServer=0"
      $"huge pages {pages}: the engine requests them, the baseline has libtorch's own allocation"
      $"Noisy {Host.version}, libtorch {torch.__version__}, .NET {Environment.Version}" ]

/// Time of all processors since the machine started, in hundredths of a second: what programs used, what the host of a
/// virtual machine kept back, and the whole.
type ProcessorTimes = { Used: float; Stolen: float; Whole: float }

/// The times now; None where the system does not tell.
let processorTimes () =
    try
        // user, nice, system, idle, waiting, interrupts (two), stolen
        let times = (File.ReadLines "/proc/stat" |> Seq.head).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..8] |> Array.map float
        Some { Used = times[0] + times[1] + times[2] + times[5] + times[6]; Stolen = times[7]; Whole = Array.sum times }
    with _ ->
        None

/// A line on what took processors away between two moments.
///
/// own: processor time of this process between them; seconds.
let disturbance (before: ProcessorTimes) (after: ProcessorTimes) own =
    let share amount = 100.0 * max 0.0 amount / max 1.0 (after.Whole - before.Whole)
    let stolen, others = share (after.Stolen - before.Stolen), share (after.Used - before.Used - 100.0 * own)
    let verdict = if stolen + others > 5.0 then ": too much for figures that are to be reported" else ""
    $"of the processors' time the host kept back %.0f{stolen} %% and other programs used %.0f{others} %%{verdict}"

let private status (name: string) (otherwise: unit -> int64) =
    let line =
        try
            File.ReadLines "/proc/self/status" |> Seq.tryFind _.StartsWith(name + ":")
        with _ ->
            None

    match line with
    | Some text -> float (text.Split([| ' '; '\t' |], StringSplitOptions.RemoveEmptyEntries)[1]) / 1024.0
    | None -> float (otherwise ()) / 1048576.0

/// Megabytes (2²⁰ bytes) of memory that this process has now.
let resident () =
    status "VmRSS" (fun () -> Process.GetCurrentProcess().WorkingSet64)

/// The most that it ever had.
let peak () =
    status "VmHWM" (fun () -> Process.GetCurrentProcess().PeakWorkingSet64)
