/// The list of all measurements, and what one of them yields.
module Noisy.Scripts.BenchSuites

open System
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Scripts.BenchRounds
open Noisy.Scripts.BenchSizes
open Noisy.Scripts.BenchWork
open TorchSharp

/// Something to be measured against something.
///
/// Operations: floating-point operations of its matrix products; 0 if it has none. Share: part of the time budget.
type Measurement =
    { Suite: string
      Config: string
      What: string
      Activation: string
      Baseline: string
      Operations: float
      Threads: int
      Share: float
      Theirs: unit -> Work
      Ours: unit -> Work }

/// What came out; times in milliseconds.
type Record =
    { Suite: string
      Config: string
      What: string
      Activation: string
      Baseline: string
      Path: string
      Threads: int
      /// Median over the rounds, its 95 % interval, and the rounds' quartiles.
      Ratio: float
      Low: float
      High: float
      FirstQuartile: float
      ThirdQuartile: float
      BestRatio: float
      MedianMs: float
      BaselineMs: float
      Rounds: int
      Gflops: float
      Processor: string }

/// Elements of the suite of activations.
let elements = 1 <<< 20

let private recurrent name cell threads (size: Size) =
    let torchs =
        match cell with
        | Lstm -> "nn.LSTM"
        | Gru -> "nn.GRU"

    let nah = Variants.Nah

    let row what activation baseline operations share theirs ours =
        { Suite = name; Config = size.Name; What = what; Activation = activation; Baseline = baseline; Operations = operations
          Threads = threads; Share = share; Theirs = theirs; Ours = ours }

    let step (variant: ActivationPair) share clearing engine =
        let baseline =
            match clearing with
            | ZeroGrad -> $"libtorch {torchs}"
            | ToNone -> $"libtorch {torchs}, grad = null"

        row "step" variant.Name baseline (stepOperations cell size) share
            (fun () -> theirStep cell size clearing) (fun () -> ourStep cell size variant engine)

    let dropIn what exchanged =
        row what nah.Name $"libtorch {torchs}" (stepOperations cell size) 1.0
            (fun () -> theirStep cell size ZeroGrad) (fun () -> BenchWork.dropIn cell size nah exchanged)

    [ step nah 1.0 ZeroGrad Backend.Auto
      row "stack" nah.Name $"libtorch {torchs}" (stackOperations cell size) 1.0 (fun () -> theirStack cell size) (fun () -> ourStack cell size nah)
      dropIn "drop-in" { Optimiser = false; Ends = false }
      dropIn "drop-in + optimiser" { Optimiser = true; Ends = false }
      dropIn "drop-in + all" { Optimiser = true; Ends = true }
      row "cells" nah.Name $"libtorch {torchs}Cell" (stackOperations cell { size with Layers = 1 }) 0.5
          (fun () -> theirCells cell size) (fun () -> ourCells cell size nah)
      row "cell calls" nah.Name $"libtorch {torchs}Cell" (stackOperations cell { size with Layers = 1 }) 0.5
          (fun () -> theirCells cell size) (fun () -> ourCellCalls cell size nah)

      if cell = Lstm then
          step nah 0.5 ToNone Backend.Auto
          step Variants.Soft 0.5 ZeroGrad Backend.Auto
          step Variants.Hard 0.5 ZeroGrad Backend.Auto
          step nah 0.25 ZeroGrad Backend.Composed ]

let private outputLayer threads (size: Size) =
    { Suite = "softmax"; Config = size.Name; What = "softmax"; Activation = "none"; Baseline = "libtorch Linear + cross_entropy"
      Operations = softmaxOperations size; Threads = threads; Share = 1.0
      Theirs = (fun () -> softmax size false); Ours = (fun () -> softmax size true) }

let private onOneThread (work: unit -> Work) threads () =
    torch.set_num_threads 1
    let made = work ()

    { made with
        Free =
            fun () ->
                torch.set_num_threads threads
                made.Free() }

let private tanhOfTorch count () =
    let x = NoiseSource.Uniform(NoiseKey.FromSeed(1L).At(0L, 0), [| int64 count |], -3.0f, 3.0f, torch.CPU)
    x.requires_grad_ () |> ignore
    let upstream = torch.ones (int64 count)

    let run () =
        use _ = torch.NewDisposeScope()
        x.grad <- null
        x.tanh().backward [| upstream |]

    { Run = run
      Path = (fun () -> "libtorch")
      Free =
        fun () ->
            x.Dispose()
            upstream.Dispose() }

let private tanhOfOurs count () =
    let width = min count 1024
    let x, noise, upstream, y, gradX = Array.zeroCreate<float32> count, Array.zeroCreate<float32> count, Array.create count 1.0f, Array.zeroCreate<float32> count, Array.zeroCreate<float32> count
    let p, gradP = Array.create width 1.0f, Array.zeroCreate<float32> width
    NoiseSampler.Uniform(NoiseKey.FromSeed(1L).At(0L, 0), 0L, Span x)
    for i in 0 .. count - 1 do x[i] <- 6.0f * x[i] - 3.0f
    NoiseSampler.Normal(NoiseKey.FromSeed(2L).At(0L, 0), 0L, Span noise)
    let spec = Variants.Nah.Tanh

    let run () =
        SpanKernels.Forward(spec, spec.C, ReadOnlySpan x, ReadOnlySpan noise, ReadOnlySpan p, Span y, FusedEngine.Width)
        SpanKernels.Backward(spec, spec.C, ReadOnlySpan x, ReadOnlySpan noise, ReadOnlySpan p, ReadOnlySpan upstream, Span gradX, Span gradP, FusedEngine.Width)

    { Run = run; Path = (fun () -> "span-kernels"); Free = ignore }

let private normalOfTorch count () =
    let run () =
        use _ = torch.NewDisposeScope()
        torch.randn (int64 count) |> ignore

    { Run = run; Path = (fun () -> "libtorch"); Free = ignore }

let private normalOfOurs count () =
    let draws = Array.zeroCreate<float32> count
    let key = NoiseKey.FromSeed 1L
    let mutable update = 0L

    let run () =
        NoiseSampler.Normal(key.At(update, 0), 0L, Span draws, FusedEngine.Width)
        update <- update + 1L

    { Run = run; Path = (fun () -> "span-kernels"); Free = ignore }

let private activation threads count =
    let nah = Variants.Nah

    let row config what activation baseline operations theirs ours =
        { Suite = "activation"; Config = config; What = what; Activation = activation; Baseline = baseline; Operations = operations
          Threads = 1; Share = 0.5; Theirs = onOneThread theirs threads; Ours = onOneThread ours threads }

    let widths = String.Join("-", perceptron)
    let step engine = row widths "mlp" nah.Name "libtorch Linear, tanh" perceptronOperations theirPerceptron (ourPerceptron nah engine)

    [ row $"%d{count}" "tanh" nah.Name "libtorch tanh" 0.0 (tanhOfTorch count) (tanhOfOurs count)
      row $"%d{count}" "noise" "none" "libtorch randn" 0.0 (normalOfTorch count) (normalOfOurs count)
      row $"100x%d{perceptron[1]}" "module" nah.Name "composed operations" 0.0 (activationModule nah Backend.Composed) (activationModule nah Backend.Auto)
      step Backend.Auto
      step Backend.Composed ]

/// Whole updates of Learning to Execute at a preset's sizes, the masked output layer included.
let private programs threads (preset: string) =
    let experiment = PaperExperiments.ByName "lte"
    let config = (experiment.Config preset).SettingsAs<LearningToExecuteSettings>()

    let size =
        { Name = preset; Batch = config.Batch; Steps = config.Bptt; Layers = config.Layers; Hidden = config.Hidden
          Vocabulary = ProgramAlphabet.Characters.Length }

    let row (variant: ActivationPair) share baseline theirs =
        { Suite = "lte"; Config = preset; What = "update"; Activation = variant.Name; Baseline = baseline; Operations = stackOperations Lstm size
          Threads = threads; Share = share; Theirs = theirs; Ours = fun () -> BenchTasks.update (experiment.RowConfig(preset, variant.Name)) Backend.Auto }

    let composed (variant: ActivationPair) () = BenchTasks.update (experiment.RowConfig(preset, variant.Name)) Backend.Composed

    [ row Variants.Nah 1.0 "composed operations" (composed Variants.Nah)
      row Variants.Soft 1.0 "composed operations" (composed Variants.Soft)
      row Variants.Nah 1.0 "libtorch nn.LSTM" (fun () -> theirStep Lstm size ZeroGrad) ]

/// Whole updates of the two models whose decoder attends, and so takes its steps one by one. Their batches differ in length.
let private decoders threads (preset: string) =
    let count = 4

    [ for name in [ "nmt"; "captions" ] do
          let experiment = PaperExperiments.ByName name

          let row baseline (theirs: ActivationPair) =
              { Suite = "decoder"; Config = $"{name} {preset}"; What = $"{count} updates"; Activation = Variants.Nah.Name; Baseline = baseline
                Operations = 0.0; Threads = threads; Share = 1.0
                Theirs = (fun () -> BenchTasks.updates count (experiment.RowConfig(preset, theirs.Name)) Backend.Composed)
                Ours = fun () -> BenchTasks.updates count (experiment.RowConfig(preset, Variants.Nah.Name)) Backend.Auto }

          row "composed operations" Variants.Nah
          row "composed operations, tanh and sigmoid" Variants.Soft ]

/// Machines of a preset's sizes on episodes of its most items, with either controller, and of several episodes at a time.
let machines (preset: string) =
    let config = (PaperExperiments.ByName "ntm").RowConfig(preset, "noisy")

    [ for controller, batch in [ "feedForward", 1; "lstm", 1; "feedForward", 16 ] do
          config.With("controller", controller).With("batch", string batch) ]

/// Whole updates of a Neural Turing Machine.
let private memories threads (config: RunConfig) =
    let own = config.SettingsAs<NtmRecallSettings>()

    { Suite = "ntm"; Config = $"{config.Preset} B{own.Batch}"; What = (string own.Controller).ToLowerInvariant(); Activation = config.Activation.Name
      Baseline = "composed operations"; Operations = machineOperations config; Threads = threads; Share = 0.5
      Theirs = (fun () -> BenchTasks.recall config Backend.Composed); Ours = fun () -> BenchTasks.recall config Backend.Auto }

/// What monitors cost: an update of an experiment's against what is done besides in a monitored one, of which there is one in MonitorEvery.
let private monitored threads preset (experiment: Experiment) =
    let config = experiment.RowConfig(preset, Variants.Nah.Name)

    { Suite = "monitor"; Config = $"{experiment.Name} {preset}"; What = $"1 of {experiment.MonitorEvery}"; Activation = Variants.Nah.Name; Baseline = "an update"
      Operations = 0.0; Threads = threads; Share = 0.5; Theirs = (fun () -> BenchTasks.update config Backend.Auto); Ours = fun () -> BenchTasks.monitors config }

/// A trained language model at work: a token of each column, and a text in each.
let private inference threads (size: Size) =
    [ for batch in BenchInference.batches do
          let row what rows baseline theirs ours =
              { Suite = "inference"; Config = $"{size.Name} B{batch}"; What = what; Activation = "soft"; Baseline = baseline
                Operations = rows * forwardOperations size; Threads = threads; Share = 0.2; Theirs = theirs; Ours = ours }

          let next = row "next" (float batch)
          let score = row "score" (float (batch * BenchInference.length))

          for precision in [ WeightPrecision.Single; WeightPrecision.Int8 ] do
              next "libtorch" (fun () -> BenchInference.torchNext size batch) (fun () -> BenchInference.ourNext size batch threads precision)
              score "libtorch" (fun () -> BenchInference.torchScore size batch) (fun () -> BenchInference.ourScore size batch threads precision)

          let ours = fun () -> BenchInference.ourScore size batch threads WeightPrecision.Single

          for baseline, file in [ "ONNX Runtime", BenchInference.exported; "ONNX Runtime, LSTM", BenchInference.operators ] do
              next baseline (fun () -> BenchInference.onnxNext size batch threads file) (fun () -> BenchInference.ourNext size batch threads WeightPrecision.Single)

          score "ONNX Runtime, logits alone" (fun () -> BenchInference.onnxLogits size batch threads BenchInference.exported) ours
          score "ONNX Runtime, LSTM" (fun () -> BenchInference.onnxScore size batch threads) ours ]

/// All measurements of some suites, in their order.
///
/// count: elements of the suite of activations, which runs on one thread; presets: of the suites of experiments.
let plan (suites: string list) (sizes: Size list) threads count (presets: string list) =
    [ for suite in suites do
          match suite with
          | "lstm" -> yield! List.collect (recurrent "lstm" Lstm threads) sizes
          | "gru" -> yield! List.collect (recurrent "gru" Gru threads) sizes
          | "softmax" -> yield! List.map (outputLayer threads) sizes
          | "inference" -> yield! List.collect (inference threads) sizes
          | "activation" -> yield! activation threads count
          | "lte" -> yield! List.collect (programs threads) presets
          | "decoder" -> yield! decoders threads presets.Head
          | "ntm" -> yield! presets |> List.collect machines |> List.map (memories threads)
          | "monitor" ->
              let preset = List.last presets
              for experiment in PaperExperiments.All do
                  if experiment.Presets |> Seq.exists (fun known -> known.Name = preset) then monitored threads preset experiment
          | other -> invalidArg (nameof suites) other ]

/// Measures one.
let run stopped (budget: Budget) (m: Measurement) : Record =
    let theirs = m.Theirs()
    let ours = m.Ours()

    try
        let budget = { budget with Seconds = budget.Seconds * m.Share }
        let rounds = measure stopped budget theirs.Run ours.Run
        let ms = 1e3 * median rounds.Ours
        let low, high = medianInterval rounds.Ratios

        { Suite = m.Suite; Config = m.Config; What = m.What; Activation = m.Activation; Baseline = m.Baseline; Path = ours.Path()
          Threads = m.Threads; Ratio = rounds.Ratio; Low = low; High = high; FirstQuartile = quantile 0.25 rounds.Ratios
          ThirdQuartile = quantile 0.75 rounds.Ratios; BestRatio = rounds.BestRatio; MedianMs = ms; BaselineMs = 1e3 * median rounds.Baseline
          Rounds = rounds.Ours.Length; Gflops = m.Operations / ms * 1e-6; Processor = BenchMachine.processor.Value }
    finally
        ours.Free()
        theirs.Free()
        GC.Collect()
        GC.WaitForPendingFinalizers()
