/// What monitors measure, against slow recomputations; and that they leave no trace.
module Noisy.Tests.MonitorTests

open System
open System.Collections.Generic
open Expecto
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers
open TorchSharp

let private close what (expected: float Nullable) (actual: float Nullable) =
    if expected.HasValue && actual.HasValue then
        Expect.isTrue (abs (expected.Value - actual.Value) <= 1e-9 + 2e-4 * abs expected.Value) $"{what}: {expected.Value} and {actual.Value}"
    else
        Expect.equal actual.HasValue expected.HasValue $"{what}: {expected} and {actual}"

let private agree (expected: SiteStatistics) (actual: SiteStatistics) =
    Expect.equal actual.Count expected.Count "count"
    for what, value in
        [ "saturated", (fun (s: SiteStatistics) -> Nullable s.Saturated)
          "sigma", _.Sigma
          "signal to noise", _.SignalToNoise
          "returned", _.Returned
          "gain", _.Gain
          "gradient", _.Gradient
          "saturated gradient", _.SaturatedGradient
          "at bound", _.AtBound ] do
        close what (value expected) (value actual)

let private norm (values: float seq) = sqrt (Seq.sumBy (fun v -> v * v) values)
let private someOf (values: float list) = if values.IsEmpty then Nullable() else Nullable(List.average values)

/// The definitions, one by one, from the reference functions.
let private slow (spec: NoisyActivationSpec) c (points: (float * float * float * float) list) (gains: float list) (outputs: float list) =
    let saturated = points |> List.filter (fun (x, _, _, _) -> x <= spec.Unit.LowerThreshold || x >= spec.Unit.UpperThreshold)
    let value (x, xi, p, _) = NoisyFunction.Value(spec, x, xi, p, c)
    let slope (_, _, _, g) = g
    let inside v = v > spec.Unit.Lower && v < spec.Unit.Upper
    let moments = points |> List.map (fun (x, _, p, _) -> NoisyMoments.Evaluate(spec, x, p, c))
    // Differences to one of them, for means that are alike to the last digits.
    let means = moments |> List.map (fun m -> m.Mean - moments.Head.Mean)
    let noise = moments |> List.sumBy _.Variance
    let spread = means |> List.sumBy (fun m -> (m - List.average means) ** 2.0)
    let ratio = sqrt (spread / noise) // over a variance of 1e-320 it is no number
    let noisy = spec.Noise <> NoiseKind.None

    SiteStatistics(
        Count = int64 points.Length,
        Saturated = float saturated.Length / float points.Length,
        Sigma = (if noisy then someOf [ for x, xi, p, _ in points -> NoisyFunction.Evaluate(spec, x, xi, p, c).Sigma ] else Nullable()),
        SignalToNoise = (if noisy && noise > 0.0 && Double.IsFinite ratio then Nullable ratio else Nullable()),
        Returned = (if noisy then someOf [ for point in saturated -> if inside (value point) then 1.0 else 0.0 ] else Nullable()),
        Gain = someOf [ for p in gains -> abs p ],
        Gradient = Nullable(norm (List.map slope points)),
        SaturatedGradient = Nullable(norm (List.map slope saturated)),
        AtBound = someOf [ for y in outputs -> if y = spec.Unit.Lower || y = spec.Unit.Upper then 1.0 else 0.0 ]
    )

let private statistics =
    Arbitraries.property "a site's statistics are their definitions, for every spec" 200 (fun (case: Arbitraries.Case, seed: int64) ->
        let spec = case.Spec
        let draws = Array.zeroCreate<float32> 60
        NoiseSampler.Normal(NoiseKey.FromSeed(seed).At(0L, 0), 0L, Span draws)
        let column i = Array.init 20 (fun k -> float draws[3 * k + i])
        let x, xi, slopes = Array.map (fun v -> 3.0 * v) (column 0), column 1, column 2
        let gains = if spec.UsesP then [ 0.3; -0.9; 1.7; 0.5 ] else []
        let gain i = if gains.IsEmpty then 1.0 else gains[i % gains.Length]
        let found = SiteStatistics.Measure(spec, 0.7, ReadOnlySpan(Array.ofList gains), ReadOnlySpan x, ReadOnlySpan xi, ReadOnlySpan slopes)
        agree (slow spec 0.7 [ for i in 0..19 -> x[i], xi[i], gain i, slopes[i] ] gains []) found)

/// A mean square less the square of the mean would have its own rounding for a signal here.
let private beyondABound =
    test "units that are all well beyond one bound have hardly any signal" {
        let spec = Variants.Nani.Tanh
        let x, xi = Array.init 20 (fun k -> 1.3 + 0.001 * float k), Array.create 20 0.1
        let found = SiteStatistics.Measure(spec, 0.05, ReadOnlySpan [||], ReadOnlySpan x, ReadOnlySpan xi, ReadOnlySpan [||])
        let expected = slow spec 0.05 [ for v, d in Array.zip x xi -> v, d, 1.0, 0.0 ] [] []
        close "signal to noise" expected.SignalToNoise found.SignalToNoise
        Tol.below found.SignalToNoise.Value 1e-3 "signal to noise"
    }

let private steps, batch, hidden, inputs = 3, 2, 3, 2

/// A GRU in double precision whose pre-activations can be moved, one by one: pre-activations and outputs of each site, and the loss.
let private gru (spec: ActivationPair) (weights: IReadOnlyDictionary<string, float[]>) (x: float[]) xi (moved: Dictionary<struct (int * int * int * int), float>) =
    let seen = Array.init 3 (fun _ -> ResizeArray())
    let mutable h = Array.zeroCreate (batch * hidden)
    let mutable loss = 0.0

    for t in 0 .. steps - 1 do
        let before = h
        let product (name: string) row width (value: int -> float) = Seq.sum (seq { for k in 0 .. width - 1 -> weights[name][row * width + k] * value k })
        let next = Array.zeroCreate (batch * hidden)

        for b in 0 .. batch - 1 do
            for j in 0 .. hidden - 1 do
                let input gate = let row = gate * hidden + j in weights["bias_ih_l0"][row] + product "weight_ih_l0" row inputs (fun k -> x[(t * batch + b) * inputs + k])
                let state gate = let row = gate * hidden + j in weights["bias_hh_l0"][row] + product "weight_hh_l0" row hidden (fun k -> before[b * hidden + k])

                let unit site (spec: NoisyActivationSpec) pre =
                    let pre = pre + (match moved.TryGetValue(struct (site, t, b, j)) with | true, by -> by | _ -> 0.0)
                    let draw, p = xi site t (b * hidden + j), weights["p_l0"][site * hidden + j]
                    seen[site].Add(struct (site, t, b, j), pre, draw, p)
                    NoisyFunction.Value(spec, pre, draw, p, spec.C)

                let r, z = unit 0 spec.Sigmoid (input 0 + state 0), unit 1 spec.Sigmoid (input 1 + state 1)
                let n = unit 2 spec.Tanh (input 2 + r * state 2)
                next[b * hidden + j] <- n + z * (before[b * hidden + j] - n)

        h <- next
        loss <- loss + Seq.sumBy (fun v -> 0.5 * v * v) h

    seen, loss

let private recurrent =
    torchTest "a recurrent layer's statistics are those of a slow recomputation, gradients by differences" (fun () ->
        let activations = Variants.Nah.Map(fun spec -> spec.WithC 0.4)
        let clock = NoiseClock 3L
        use layer = new NoisyGru(int64 inputs, int64 hidden, activations, clock)
        (use _ = torch.no_grad () in for w in layer.parameters () do w.mul_ (torch.tensor 4.0f) |> ignore)
        let data = [| for i in 0 .. steps * batch * inputs - 1 -> 1.5 * sin (float (3 * i + 1)) |]
        let x = (vector data).reshape (int64 steps, int64 batch, int64 inputs)
        clock.Advance(5L)

        let forward () =
            let struct (output, _) = layer.call x
            output

        let found = SiteMonitor.Observe(layer, (fun () -> let y = forward () in (y * y).sum () * (0.5f).ToScalar()), (fun () -> (forward ()).Dispose()))
        let weights = dict [ for struct (name, w) in layer.named_parameters () -> name, values w ] |> Dictionary
        let key = clock.Key.Child("noise").Child(0u).Child(0u)

        let xi site t element =
            let draws = Array.zeroCreate<float32> (batch * hidden)
            NoiseSampler.Normal(key.Child(uint32 site).At(5L, t), 0L, Span draws)
            float draws[element]

        let run moved = gru activations weights (values x) xi (Dictionary(dict moved))
        let seen, _ = run []
        let tested, _ = gru activations weights (values x) (fun _ _ _ -> sqrt (2.0 / Math.PI)) (Dictionary())
        Expect.equal (List.ofSeq found.Keys) [ "l0.reset"; "l0.update"; "l0.candidate" ] "names"

        for site, name in List.indexed (List.ofSeq found.Keys) do
            let spec = if site = 2 then activations.Tanh else activations.Sigmoid
            let slope place = let by = 1e-5 in (snd (run [ place, by ]) - snd (run [ place, -by ])) / (2.0 * by)
            let points = [ for place, pre, draw, p in seen[site] -> pre, draw, p, slope place ]
            Expect.exists points (fun (pre, _, _, _) -> HardFunctions.IsSaturated(spec.Unit, pre)) $"{name} saturates somewhere"
            let gains = [ for j in 0 .. hidden - 1 -> weights["p_l0"][site * hidden + j] ]
            agree (slow spec spec.C points gains [ for _, pre, draw, p in tested[site] -> NoisyFunction.Value(spec, pre, draw, p, spec.C) ]) found[name])

let private names (model: torch.nn.Module) (loss: unit -> Tensor) = List.ofSeq (SiteMonitor.Observe(model, Func<_> loss).Keys)

let private cellStates =
    torchTest "what an LSTM carries on to its next step does not count as passing through the cell's nonlinearity" (fun () ->
        use layer = new NoisyLstm(3L, 8L, Variants.Hard, NoiseClock 1L)
        (use _ = torch.no_grad () in for w in layer.parameters () do w.mul_ (torch.tensor 4.0f) |> ignore)
        let x = (filled 5L [ 6L; 4L; 3L ]).mul (torch.tensor 5.0f)
        let loss () = let struct (output, _, _) = layer.call x in output.square().sum ()

        for KeyValue(name, site) in SiteMonitor.Observe(layer, loss) do
            Expect.isTrue (site.Saturated > 0.1 && site.Gradient.Value > 0.0) $"{name}: some units are saturated, some not"
            Expect.equal site.SaturatedGradient (Nullable 0.0) $"{name}: a hard unit passes nothing")

let private addresses =
    torchTest "every kind of module names its nonlinearities" (fun () ->
        let clock = NoiseClock 1L
        let nah = Variants.Nah
        let x = torch.ones (2L, 3L, 4L)
        let sum (y: Tensor) = y.sum ()
        use activation = new NoisyActivation(nah.Tanh, 4L, clock)
        Expect.equal (names activation (fun () -> sum (activation.call x))) [ "activation" ] "an activation"
        use lstm = new NoisyLstm(4L, 5L, nah, clock, numLayers = 2L, bidirectional = true)
        let gates part = [ for gate in [ "input"; "forget"; "candidate"; "output"; "cell" ] -> $"{part}.{gate}" ]
        Expect.equal (names lstm (fun () -> (let struct (y, _, _) = lstm.call x in sum y))) (List.collect gates [ "l0"; "l0_reverse"; "l1"; "l1_reverse" ]) "layers"
        use cell = new NoisyGruCell(4L, 5L, nah, clock)
        Expect.equal (names cell (fun () -> sum (cell.call (x.select (0L, 0L))))) [ "reset"; "update"; "candidate" ] "a cell"
        use machine = new NeuralTuringMachine(NtmShape(Inputs = 4, Outputs = 2, Hidden = 5, MemoryRows = 4, MemoryWidth = 3), nah, clock)
        Expect.equal (names machine (fun () -> sum (machine.call x))) [ "hidden" ] "a machine"
        use plain = torch.nn.Sequential(torch.nn.Linear(4L, 3L), torch.nn.Tanh())
        Expect.equal (names plain (fun () -> sum (plain.call x))) [] "a model without"
        let report = Noisify.Replace(plain, nah, clock)
        Expect.equal (names plain (fun () -> sum (plain.call x))) [ for entry in report.Replaced -> entry.Path ] "a drop-in")

/// A model with all that a pass changes: running means, call counts, torch's draws.
type private Restless(clock: NoiseClock) as this =
    inherit torch.nn.Module<Tensor, Tensor>("Restless")
    let lstm = new NoisyLstm(3L, 4L, Variants.Nan, clock)
    let norm = torch.nn.BatchNorm1d 4L
    do this.RegisterComponents()

    /// The means that are kept, not renewed: eval() of a part.
    member _.FreezeNorm() = norm.eval ()
    member _.IsNormFrozen = not norm.training

    override _.forward x =
        let struct (first, _, _) = lstm.call x
        let struct (again, _, _) = lstm.call (x + torch.rand_like x)
        norm.call ((first + again).reshape (-1L, 4L))

let private leavesNoTrace =
    torchTest "a measured model goes on as one that was not" (fun () ->
        let train observe =
            let clock = NoiseClock 4L
            use model = new Restless(clock)
            use optimizer = Optimizer.Create(OptimizerSpec.Sgd, model)

            for update in 0L .. 3L do
                if update = 2L then model.FreezeNorm()
                clock.Advance update
                torch.manual_seed update |> ignore
                let x = torch.randn (5L, 2L, 3L)

                let loss () = (model.call x).square().sum ()

                if observe then
                    let sites = SiteMonitor.Observe(model, loss, (fun () -> (loss ()).Dispose()))
                    Expect.hasLength sites.Keys 5 "sites"
                    Expect.equal (model.training, model.IsNormFrozen) (true, update >= 2L) "modes"

                (loss ()).backward ()
                if observe then SiteMonitor.Observe(model, loss) |> ignore // the gradients that are there stay
                optimizer.Step(0.1, update + 1L, 1.0)

            [ for KeyValue(name, value) in model.state_dict () -> name, values value ]

        Expect.equal (train true) (train false) "weights, running means and draws")

let private refusals =
    torchTest "what cannot be measured is refused" (fun () ->
        use layer = new NoisyActivation(Variants.Nah.Tanh, 4L, NoiseClock 1L)
        let x = torch.ones (2L, 4L)
        Expect.throwsT<ArgumentException> (fun () -> SiteMonitor.Observe(layer, (fun () -> layer.call x)) |> ignore) "a loss of several numbers"
        let within () = SiteMonitor.Observe(layer, (fun () -> (layer.call x).sum ())) |> ignore; (layer.call x).sum ()
        Expect.throwsT<InvalidOperationException> (fun () -> SiteMonitor.Observe(layer, within) |> ignore) "a pass within a pass"
        SiteMonitor.Observe(layer, (fun () -> (layer.call x).sum ())) |> ignore // neither leaves the observer on
        layer.call(x).Dispose()
        Expect.equal layer.LastBackend "fused-cpu" "the engine again")

let private monitored (trial: Trial) every (pieces: int64 list) =
    use folder = new TempFolder()

    for limit in pieces @ [ Int64.MaxValue ] do
        use task = trial.Task trial.Config
        let run = TrainingRun(Config = trial.Config, Task = task, Folder = folder.Path, Threads = 1, MaxUpdates = Nullable limit, MonitorEvery = every)
        Trainer.Run run |> ignore

    RunSummary.Read(folder.In "summary.json"), RunLog.Read(folder.In "log.jsonl"), IO.File.ReadAllText(folder.In "log.jsonl")

let private training =
    torchTest "a monitored run has the weights of one that is not, and the same log however it is cut" (fun () ->
        let plain, _, _ = monitored languageModel (Nullable()) []
        let summary, events, log = monitored languageModel (Nullable 4L) []
        let _, _, cut = monitored languageModel (Nullable 4L) [ 3L; 4L; 7L ]
        Expect.equal summary.WeightsSha256 plain.WeightsSha256 "weights"
        Expect.equal cut log "log"
        Expect.equal [ for e in events do if not (isNull e.Sites) then e.Update ] [ 1L; 5L; 9L ] "monitored updates"
        Expect.isNull plain.Sites "no monitors"
        let first, last = events[0].Sites, (events |> Seq.filter (fun e -> not (isNull e.Sites)) |> Seq.last).Sites

        for KeyValue(name, site) in summary.Sites do
            Expect.equal (site.First, site.Last, site.Updates) (first[name], last[name], 3) name
            Expect.equal site.GainDrift (Nullable(last[name].Gain.Value - first[name].Gain.Value)) "drift"

        Expect.hasLength summary.Sites 10 "two layers of five")

let private afterwards =
    torchTest "a run that was trained without monitors is measured when it is repeated with them, and else left as it is" (fun () ->
        use folder = new TempFolder()
        let files () = [ for file in [ "log.jsonl"; "weights.safetensors"; "config.json" ] -> IO.File.ReadAllBytes(folder.In file) ]

        let repeat every =
            use task = languageModel.Task languageModel.Config
            Trainer.Run(TrainingRun(Config = languageModel.Config, Task = task, Folder = folder.Path, Threads = 1, MonitorEvery = every))

        let plain = repeat (Nullable())
        let before = files ()
        Expect.isNull (repeat (Nullable())).Sites "not asked for"
        let measured = repeat (Nullable 500L)
        Expect.equal (files ()) before "nothing else is written"
        Expect.equal (measured.WeightsSha256, measured.Updates) (plain.WeightsSha256, plain.Updates) "the run"
        Expect.equal (RunSummary.Read(folder.In "summary.json")).Sites.Count 10 "kept: two layers of five"
        use task = languageModel.Task languageModel.Config
        Expect.isNull (ExportedWeights.Load(folder.In "weights.safetensors", plain, task.Model)) "the weights"
        let at = BatchPosition(plain.Updates, int (plain.Updates / task.UpdatesPerEpoch) + 1, 0L, 1)
        let scale = match languageModel.Config.Training.Schedule with null -> Nullable() | schedule -> Nullable(schedule.At plain.Updates)
        let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed(languageModel.Config.Seed).Child "noise", plain.Updates, 0, scale)
        let first = BatchMonitor.Observe(task, at, context, NoiseContext(languageModel.Config.Training.TestNoise, Scale = scale))

        for KeyValue(name, site) in measured.Sites do
            Expect.equal site.First first[name] $"{name} in the first batch"
            Expect.equal (int64 site.Updates) (min 10L task.UpdatesPerEpoch) "batches")

let private experiments =
    [ for experiment in PaperExperiments.All do
          torchTest $"{experiment.Name} can be monitored" (fun () ->
              let config = experiment.RowConfig("tiny", "nah")
              use task = experiment.Build(config, DataCache(DataCacheSettings.From(DataCacheSettings.BuiltIn, (fun _ -> null))), torch.CPU)
              let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed(1L).Child "noise", 0L, 0, Nullable 0.5)
              let position = BatchPosition(0L, 1, 0L, task.Stages)
              let sites = BatchMonitor.Observe(task, position, context, NoiseContext(NoiseMode.Mean, Scale = Nullable 0.5))
              Tol.above sites.Count 0 "sites"

              for KeyValue(name, site) in sites do
                  Expect.isTrue (site.Gradient.Value > 0.0) $"a gradient reaches {name}"
                  Expect.isTrue site.AtBound.HasValue $"{name} is measured at test time") ]

let tests =
    testSequenced // one seeds torch's generator
    <| testList "monitors" ([ statistics; beyondABound; recurrent; cellStates; addresses; leavesNoTrace; refusals; training; afterwards ] @ experiments)
