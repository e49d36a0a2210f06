/// The fused engine and the composed backend where numbers are not finite, huge or tiny; and which parameters get a gradient.
module Noisy.Tests.NotFiniteTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests
open Noisy.Tests.TorchHelpers
open TorchSharp

let private engines = [ Backend.Auto; Backend.Composed ]
let private both (h: Tensor) (c: Tensor) = Nullable<struct (Tensor * Tensor)>(struct (h, c))
let private parameters (m: torch.nn.Module) = [ for struct (name, p) in m.named_parameters () -> name, p ]
let private sampling = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L, 2)

let private againstReference (spec: NoisyActivationSpec) engine (mode: NoiseMode) =
    let xs, ps = SpecialValueTests.specials, [ 0.7f; -0.6f; 0.0f; 0.9f ]
    let points = [| for x in xs do for p in ps -> x, p |]
    let units = int64 points.Length
    use unit = new NoisyActivation(spec, units, NoiseClock 1L, Backend = engine)
    let x = torch.tensor([| for x, _ in points -> x |]).reshape(1L, units).requires_grad_ ()
    let p = [| for _, p in points -> p |]
    if spec.UsesP then
        use _ = torch.no_grad ()
        unit.get_parameter("p").copy_ (torch.tensor p) |> ignore
    let context = NoiseContext(mode, sampling.Key, 3L, 2)
    let draws =
        match mode, spec.Noise with
        | NoiseMode.Sample, _ -> values (NoiseSource.Normal(context.Key.Child 0u, 3L, 2, [| 1L; units |], torch.CPU))
        | NoiseMode.Mean, NoiseKind.HalfNormal -> Array.create points.Length NoisyMoments.HalfNormalMean
        | _ -> Array.zeroCreate points.Length
    let y = unit.forward (x, context)
    y.sum().backward ()
    let value, dx = values y, values x.grad
    let dp = if spec.UsesP then gradientOf (unit.get_parameter "p") else Array.zeroCreate points.Length
    for i in 0 .. points.Length - 1 do
        let at = NoisyFunction.Evaluate(spec, float (fst points[i]), draws[i], float p[i], spec.C)
        let where name () = $"{name} of {spec}, {engine}, {mode} at x = {fst points[i]}, p = {p[i]}, xi = {draws[i]}"
        SpecialValueTests.closeTo at.Value value[i] (where "value")
        SpecialValueTests.closeTo at.Dx dx[i] (where "slope in x")
        if spec.UsesP then SpecialValueTests.closeTo at.Dp dp[i] (where "slope in p")

/// Numbers that are not finite agree if neither is; values also in which of them they are.
let private agree exact name (expected: float[]) (actual: float[]) =
    Expect.equal actual.Length expected.Length name
    let size = expected |> Array.filter Double.IsFinite |> Array.fold (fun m v -> max m (abs v)) 1.0
    for e, a in Array.zip expected actual do
        if Double.IsFinite e && Double.IsFinite a then Tol.below (abs (e - a) / size) 1e-4 $"{name}: expected {e}, found {a}"
        elif exact && not (Double.IsNaN e && Double.IsNaN a) then Expect.equal a e name
        elif Double.IsFinite e <> Double.IsFinite a then failtest $"{name}: expected {e}, found {a}"

/// Outputs, and gradients of their sum, of a module on a path.
let private pass (m: torch.nn.Module) (leaves: Tensor list) (run: Tensor list -> Tensor list) =
    m.zero_grad ()
    let leaves = [ for t in leaves -> t.detach().clone().requires_grad_ () ]
    let outputs = run leaves
    (outputs |> List.map (fun o -> o.sum ()) |> List.reduce (fun a b -> a + b)).backward ()
    List.map values outputs, [ for t in leaves -> gradientOf t ] @ [ for _, p in parameters m -> gradientOf p ]

let private pairAgrees name (make: Backend -> torch.nn.Module) (leaves: Tensor list) (run: torch.nn.Module -> Tensor list -> Tensor list) =
    let results = [ for engine in engines -> (let m = make engine in pass m leaves (run m)) ]
    List.iteri2 (fun i e a -> agree true $"{name}, output {i}" e a) (fst results[1]) (fst results[0])
    List.iteri2 (fun i e a -> agree false $"{name}, gradient {i}" e a) (snd results[1]) (snd results[0])

/// Puts a number into one element.
let private poisoned (value: float32) (t: Tensor) =
    let flat = t.clone().reshape -1L
    flat.[torch.TensorIndex.Single 1L] <- torch.tensor value
    flat.reshape t.shape

let private layers (pair: ActivationPair) value =
    // A huge number can overflow on the way from step to step by the order of the sums alone.
    let steps = if Single.IsFinite value && abs value > 1.0f then 1L else 3L
    let x, h, c = filled 1L [ steps; 2L; 3L ], filled 2L [ 1L; 2L; 17L ], filled 3L [ 1L; 2L; 17L ]
    let dims = RecurrentShape(3L, 17L)
    for place, x, h, c in [ "input", poisoned value x, h, c; "hidden", x, poisoned value h, c; "cell", x, h, poisoned value c ] do
        pairAgrees $"LSTM, {pair.Name}, {value} in {place}" (fun e -> new NoisyLstm(dims, pair, NoiseClock 1L, Backend = e)) [ x; h; c ] (fun m l ->
            let struct (o, h, c) = (m :?> NoisyLstm).forward (l[0], both l[1] l[2], sampling)
            [ o; h; c ])
        if place <> "cell" then
            pairAgrees $"GRU, {pair.Name}, {value} in {place}" (fun e -> new NoisyGru(dims, pair, NoiseClock 1L, Backend = e)) [ x; h ] (fun m l ->
                let struct (o, h) = (m :?> NoisyGru).forward (l[0], l[1], sampling)
                [ o; h ])
        let one (t: Tensor) = t.select (0L, 0L)
        pairAgrees $"LSTM cell, {pair.Name}, {value} in {place}" (fun e -> new NoisyLstmCell(3L, 17L, pair, NoiseClock 1L, Backend = e)) [ one x; one h; one c ] (fun m l ->
            let struct (h, c) = (m :?> NoisyLstmCell).forward (l[0], both l[1] l[2], sampling)
            [ h; c ])
        if place <> "cell" then
            pairAgrees $"GRU cell, {pair.Name}, {value} in {place}" (fun e -> new NoisyGruCell(3L, 17L, pair, NoiseClock 1L, Backend = e)) [ one x; one h ] (fun m l ->
                [ (m :?> NoisyGruCell).forward (l[0], l[1], sampling) ])

/// Names of the parameters without a gradient.
let private bare (m: torch.nn.Module) = [ for name, p in parameters m do if isNull p.grad then name ]

let private contexts =
    [ "c = 0", NoiseContext(NoiseMode.Sample, sampling.Key, Scale = Nullable 0.0)
      "noise off", NoiseContext NoiseMode.Off
      "mean", NoiseContext NoiseMode.Mean
      "sample", sampling ]

let tests =
    testSequenced <| testList "not finite" [
        for mode in [ NoiseMode.Sample; NoiseMode.Mean; NoiseMode.Off ] do
            torchTest $"an activation gives the reference's values and slopes at infinities, NaN, huge and tiny numbers, fused and composed: {mode}" (fun () ->
                let leaky = NoisyActivationSpec(SaturatingUnit.HardTanh, Alpha = 1.15)
                let excess = NoisyActivationSpec(SaturatingUnit.HardSigmoid, NoiseKind.HalfNormal, Scaling = NoiseScaling.Excess, Alpha = 1.05, C = 0.5)
                let others =
                    [ leaky; excess; Variants.Nan.Tanh.WithAlpha 1.0; Variants.Nah.Sigmoid.WithClipOutput true; Variants.Nan.Tanh.WithUnit SaturatingUnit.Relu
                      Variants.NanilReleased.Tanh.WithUnit SaturatingUnit.Relu; Variants.Hard.Tanh.WithUnit SaturatingUnit.Relu6 ]
                for spec in Arbitraries.variants @ others do
                    for engine in engines do
                        againstReference spec engine mode)

        for pair in Variants.All do
            torchTest $"layers and cells agree, fused and composed, where a number is not finite, huge or tiny: {pair.Name}" (fun () ->
                for value in [ infinityf; -infinityf; nanf; 1e30f; Single.MaxValue; 1e-40f ] do
                    layers pair value)

        torchTest "gains that have no part in a pass have no gradient, fused and composed" (fun () ->
            for pair in Variants.All do
                for name, context in contexts do
                    let x, h = filled 1L [ 3L; 2L; 4L ] * 9, filled 2L [ 1L; 2L; 5L ]
                    let without engine =
                        let unit = new NoisyActivation(pair.Tanh, 4L, NoiseClock 1L, Backend = engine)
                        let lstm = new NoisyLstm(RecurrentShape(4L, 5L), pair, NoiseClock 1L, Backend = engine)
                        let gru = new NoisyGru(RecurrentShape(4L, 5L), pair, NoiseClock 1L, Backend = engine)
                        let lstmCell = new NoisyLstmCell(4L, 5L, pair, NoiseClock 1L, Backend = engine)
                        let gruCell = new NoisyGruCell(4L, 5L, pair, NoiseClock 1L, Backend = engine)
                        let attention = new AdditiveAttention(4L, 5L, 6L, pair.Tanh, NoiseClock 1L, Backend = engine)
                        let decoder = new AttentionDecoder(9L, 4L, 5L, 6L, 7L, pair, NoiseClock 1L, Backend = engine)
                        let captions = new CaptionModel(CaptionShape(9, 5, 4, 6, 7, true), pair, InitialScheme.Uniform, NoiseClock 1L, Backend = engine)
                        let first = x.select (0L, 0L)
                        let annotations, words = filled 3L [ 6L; 2L; 5L ] * 9, torch.tensor [| 3L; 1L; 2L; 4L |]
                        let struct (mean, _) = attention.forward (first, annotations, attention.Keys annotations, null, context)
                        let start = decoder.Start(EncodedSentences(annotations, torch.zeros [| 6L; 2L |], filled 4L [ 2L; 5L ]), context)
                        let struct (nats, _) = decoder.Loss(start, words.reshape (2L, 2L), words, context)
                        let caption = captions.Loss(captions.Start(annotations, context), SentenceBatch.Create [| [| 3; 0 |]; [| 2; 0 |] |], context)
                        (mean.sum () + nats + caption.Sum).backward ()
                        let struct (a, _, _) = lstm.forward (x, both h h, context)
                        let struct (b, _) = gru.forward (x, h, context)
                        let struct (c, _) = lstmCell.forward (first, Nullable(), context)
                        (unit.forward(x.detach().requires_grad_ (), context).sum () + a.sum () + b.sum () + c.sum () + gruCell.forward(first, null, context).sum ()).backward ()
                        [ for m in [ unit :> torch.nn.Module; lstm; gru; lstmCell; gruCell; attention; decoder; captions ] -> bare m ]
                    let fused, composed = without Backend.Auto, without Backend.Composed
                    Expect.equal fused composed $"{pair.Name}, {name}"
                    if name = "c = 0" then Expect.all fused (List.forall (fun n -> n.StartsWith "p" || n.EndsWith ".p")) "gains alone")
    ]
