/// The perceptron against a scalar one in double precision.
module Noisy.Tests.MlpTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

/// Parameters of a module as double, by name.
let private parameters (model: torch.nn.Module) =
    [ for struct (name, p) in model.named_parameters () do name, values p ] @ [ for struct (name, b) in model.named_buffers () do name, values b ]
    |> Map.ofList

/// The network of some parameters on rows of x, unit by unit; xi: noise by layer, element.
let private scalar (widths: int list) (spec: NoisyActivationSpec) c (xi: int -> int -> float) (p: Map<string, float[]>) (x: float[][]) =
    let last = widths.Length - 2
    let layer (inputs: float[][]) index =
        let width, below = widths[index + 1], widths[index]
        [| for b in 0 .. inputs.Length - 1 ->
               [| for unit in 0 .. width - 1 ->
                      let sum = Seq.sum (seq { for i in 0 .. below - 1 -> p[$"weight_{index}"][unit * below + i] * inputs[b][i] })
                      let pre = sum + p[$"bias_{index}"][unit]
                      if index = last then pre
                      else
                          let gain = if spec.UsesP then p[$"activation_{index}.p"][unit] else 1.0
                          NoisyFunction.Value(spec, pre, xi index (b * width + unit), gain, c) |] |]
    List.fold layer x [ 0 .. last ]

let private widths = [ 3; 5; 4; 2 ]
let private rows = 6
let private network (spec: NoisyActivationSpec) (clock: NoiseClock) = new NoisyMlp([| for w in widths -> int64 w |], spec, clock)
let private context mode = NoiseContext(mode, NoiseKey.FromSeed(8L).Child("noise"), 11L, 2, Nullable 0.75)

/// The noise of a context by layer and element: the network is module 0, its activations are the next ones.
let private draws (spec: NoisyActivationSpec) (context: NoiseContext) =
    let layers =
        [| for layer in 0u .. 1u ->
               let all = Array.zeroCreate<float32> (rows * 8)
               if context.Mode = NoiseMode.Sample then
                   NoiseSampler.Normal(context.Key.Child(layer + 1u).At(context.Update, context.TimeStep), 0L, all.AsSpan())
               else
                   Array.Fill(all, float32 (if context.Mode = NoiseMode.Mean then NoisyMoments.PlugInNoise spec.Noise else 0.0))
               all |]
    fun layer element -> float layers[layer].[element]

/// Weights wide enough that units saturate on both sides.
let private widen (model: NoisyMlp) =
    use _ = torch.no_grad ()
    for struct (name, p) in model.named_parameters () do
        if name.StartsWith "weight" then p.mul_ ((3.0f).ToScalar()) |> ignore
        if name.StartsWith "bias" then p.add_ (filled (int64 name.Length + int64 name[5]) (shape p)) |> ignore

let private cut (t: Tensor) = values t |> Array.chunkBySize (int t.shape[1])
let private specs = Arbitraries.variants |> List.filter (fun s -> s.Unit = SaturatingUnit.HardTanh)

let tests =
    testSequenced
    <| testList "perceptron" [
        torchTest "equals a scalar network for every variant, in training and in test" (fun () ->
            for spec in specs do
                for mode in [ NoiseMode.Sample; NoiseMode.Mean; NoiseMode.Off ] do
                    for engine in [ Backend.Auto; Backend.Composed ] do
                        use _ = torch.NewDisposeScope()
                        use model = network spec (NoiseClock 3L)
                        model.Backend <- engine
                        widen model
                        let x = filled 1L [ int64 rows; 3L ] * 2
                        let expected = scalar widths spec 0.75 (draws spec (context mode)) (parameters model) (cut x)
                        let found = cut (model.forward (x, context mode))
                        for b in 0 .. rows - 1 do
                            for k in 0..1 do Tol.close tensor32 expected[b].[k] found[b].[k] $"{spec}, {mode}, {engine}: row {b}, output {k}"
                        if not spec.UseSoft then Expect.equal (model.LastBackend = FusedEngine.FusedName) (engine = Backend.Auto) "path")

        torchTest "gradients are those of finite differences for every variant" (fun () ->
            for spec in specs do
                use _ = torch.NewDisposeScope()
                use model = network spec (NoiseClock 4L)
                widen model
                let x, weights = filled 1L [ int64 rows; 3L ] * 2, filled 2L [ int64 rows; 2L ]
                (model.forward (x, context NoiseMode.Sample) * weights).sum().backward ()
                let at, xs, ws, noise = parameters model, cut x, cut weights, draws spec (context NoiseMode.Sample)
                let loss p =
                    let y = scalar widths spec 0.75 noise p xs
                    Seq.sum (seq { for b in 0 .. rows - 1 do for k in 0..1 -> y[b].[k] * ws[b].[k] })
                for struct (name, parameter) in model.named_parameters () do
                    let found = if isNull parameter.grad then Array.zeroCreate at[name].Length else values parameter.grad
                    for i in 0 .. found.Length - 1 do
                        let moved by = at |> Map.add name (at[name] |> Array.mapi (fun j v -> if i = j then v + by else v)) |> loss
                        let expected = (moved 1e-6 - moved -1e-6) / 2e-6
                        Tol.close tensor32Slope expected found[i] $"{spec}: {name}, element {i}")

        torchTest "the plain face is the pure one with the clock's context, in train() and eval()" (fun () ->
            let clock = NoiseClock 5L
            use model = network Variants.Nah.Tanh clock
            widen model
            let x = filled 1L [ 4L; 3L ] * 2
            clock.Advance(7L, 0.25)
            let expected step = model.forward (x, NoiseContext(NoiseMode.Sample, clock.Key.Child("noise"), 7L, step, Nullable 0.25))
            sameTensor (expected 0) (model.forward x) "first call of an update"
            sameTensor (expected 1) (model.forward x) "second call"
            model.eval ()
            sameTensor (model.forward (x, NoiseContext(NoiseMode.Mean, Scale = Nullable 0.25))) (model.forward x) "test")

        torchTest "there may be any number of hidden layers, none included" (fun () ->
            for hidden in 0..4 do
                use model = new NoisyMlp([| 3L; yield! List.replicate hidden 2L; 7L |], Variants.Nan.Tanh, NoiseClock 1L)
                Expect.equal (shape (model.forward (filled 1L [ 5L; 3L ]))) [ 5L; 7L ] $"{hidden}"
                Expect.equal (Seq.length (model.parameters ())) (2 * (hidden + 1) + hidden) "weights, biases, gains"
                Expect.equal model.Activations.Count hidden "activations"
            use linear = new NoisyMlp([| 3L; 2L |], Variants.Nan.Tanh, NoiseClock 1L)
            let x = filled 1L [ 5L; 3L ]
            closeTensor tensor32 (x.matmul (linear.get_parameter("weight_0").t ())) (linear.forward x) "without hidden layers it is linear")

        torchTest "initial weights are the same for all variants, others for another seed, within Glorot's interval" (fun () ->
            let weights (spec: NoisyActivationSpec) seed =
                use model = network spec (NoiseClock(seed: int64))
                parameters model |> Map.filter (fun name _ -> not (name.EndsWith ".p"))
            let reference = weights Variants.Soft.Tanh 1L
            for spec in specs do Expect.equal (weights spec 1L) reference $"{spec}"
            Expect.notEqual (weights Variants.Soft.Tanh 2L).["weight_0"] reference["weight_0"] "seed"
            for layer in 0 .. 2 do
                let bound = sqrt (6.0 / float (widths[layer] + widths[layer + 1]))
                let values = reference[$"weight_{layer}"]
                Expect.isTrue (values |> Array.forall (fun w -> abs w < bound)) "interval"
                Expect.isTrue (values |> Array.exists (fun w -> abs w > bound / 2.0)) "and not less"
                Expect.isTrue (reference[$"bias_{layer}"] |> Array.forall ((=) 0.0)) "biases")

        torchTest "noise differs by layer, update and call, and not by what is asked before" (fun () ->
            use model = new NoisyMlp([| 4L; 4L; 4L; 4L |], Variants.Nani.Tanh, NoiseClock 1L)
            use _ = torch.no_grad ()
            for i in 0 .. 2 do model.get_parameter($"weight_{i}").copy_ (torch.eye 4L) |> ignore
            let pass update = model.Trace(torch.zeros [| 2L; 4L |], NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 1L, update))
            let first = pass 3L
            let shift layer (traces: LayerTrace seq) = (Seq.item layer traces).Activation |> Array.map2 (Array.map2 (-)) (Seq.item layer traces).PreActivation
            Expect.notEqual (shift 0 first) (shift 1 first) "layers"
            Expect.notEqual (shift 0 first) (shift 0 (pass 4L)) "updates"
            Expect.equal (shift 0 first) (shift 0 (pass 3L)) "the same again")

        torchTest "a trace has the pass's own numbers and slopes" (fun () ->
            for spec in specs do
                for mode in [ NoiseMode.Sample; NoiseMode.Mean; NoiseMode.ExactMean ] do
                    use _ = torch.NewDisposeScope()
                    use model = network spec (NoiseClock 3L)
                    widen model
                    let x = filled 1L [ int64 rows; 3L ] * 2
                    let trace = Seq.last (model.Trace(x, context mode))
                    let column (values: float[][]) : Tensor = torch.tensor(array2D values).t().to_type torch.ScalarType.Float32
                    let above = column trace.Activation
                    let output = above.matmul(model.get_parameter("weight_2").t ()) + model.get_parameter "bias_2"
                    closeTensor tensor32 (model.forward (x, context mode)) output $"{spec}, {mode}"
                    if mode <> NoiseMode.ExactMean then
                        let pre = (column trace.PreActivation).detach().requires_grad_ ()
                        model.Activations[1].forward(pre, context mode).sum().backward ()
                        closeTensor tensor32 pre.grad (column trace.Slope) $"{spec}, {mode}: slopes"
                    Expect.equal trace.Gains.Length (if spec.UsesP then 4 else 0) "gains")

        torchTest "a network outlives the scope that it was made in" (fun () ->
            let model =
                use _ = torch.NewDisposeScope()
                network Variants.Nan.Tanh (NoiseClock 1L)
            Expect.equal (shape (model.forward (filled 1L [ 2L; 3L ]))) [ 2L; 2L ] "output")

        torchTest "impossible widths are refused" (fun () ->
            for widths, text in [ [| 3L |], "3"; [||], ""; [| 3L; 0L; 2L |], "3, 0, 2" ] do
                Tol.throws<ArgumentException> $"widths are {text}: must be two or more, each >= 1 (Parameter 'widths')" (fun () ->
                    new NoisyMlp(widths, Variants.Nan.Tanh, NoiseClock 1L) |> ignore))
    ]
