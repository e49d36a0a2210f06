/// Optimisers: the fused form against the composed one, and both against torch's.
module Noisy.Tests.OptimizerTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A model with parameters of several shapes, the same for the same seed.
let private newModel () : torch.nn.Module =
    let model = torch.nn.Sequential(torch.nn.Linear(37L, 19L), torch.nn.Linear(19L, 200L), torch.nn.Linear(200L, 130L))
    use _ = torch.no_grad ()
    for i, p in Seq.indexed (model.parameters ()) do p.copy_ (filled (int64 i) (shape p)) |> ignore
    model

let private withGradients (model: torch.nn.Module) step =
    for i, p in Seq.indexed (model.parameters ()) do p.grad <- filled (1000L * step + int64 i) (shape p)

let private named (model: torch.nn.Module) = [ for struct (name, p) in model.named_parameters () -> struct (name, p) ]

let private weights (model: torch.nn.Module) = [ for p in model.parameters () -> values p ]

let private specs =
    [ OptimizerSpec.Sgd
      OptimizerSpec(OptimizerKind.Sgd, 0.9)
      OptimizerSpec.RmsProp
      OptimizerSpec.GravesRmsProp
      OptimizerSpec.Adam
      OptimizerSpec.Adadelta
      OptimizerSpec(OptimizerKind.Sgd, WeightDecay = 0.03)
      OptimizerSpec(OptimizerKind.Adam, WeightDecay = 0.03) ]

let private close message (expected: torch.nn.Module) (actual: torch.nn.Module) =
    for e, a in Seq.zip (expected.parameters ()) (actual.parameters ()) do closeTensor tensor32 e a message

let private steps (model: torch.nn.Module) count (step: int64 -> unit) =
    for i in 1L .. count do
        withGradients model i
        step i

let private againstTorch spec rate (theirs: torch.nn.Module -> torch.optim.Optimizer) =
    torchTest $"{spec} is torch's" (fun () ->
        let ours, other = newModel (), newModel ()
        use optimizer = Optimizer.Create(spec, ours)
        use reference = theirs other
        steps ours 5L (fun i -> optimizer.Step(rate, i))
        steps other 5L (fun _ -> reference.step () |> ignore)
        close $"{spec}" other ours)

let tests =
    testSequenced
    <| testList "optimisers" [
        for spec in specs do
            torchTest $"fused equals composed: {spec}" (fun () ->
                let model, other = newModel (), newModel ()
                use fused = Optimizer.Create(spec, model)
                use composed = new ComposedOptimizer(spec, ResizeArray(named other))
                Expect.equal (fused.GetType().Name) "FusedOptimizer" "on the CPU"
                steps model 4L (fun i -> fused.Step(0.1, i, 0.7))
                steps other 4L (fun i -> composed.Step(0.1, i, 0.7))
                close "weights" other model
                for name in composed.State.Keys do closeTensor tensor32 (composed.State[name]) (fused.State[name]) name
                Expect.isTrue (model.parameters () |> Seq.forall (fun p -> isNull p.grad)) "gradients are cleared")

            torchTest $"every width and number of threads gives the same bits: {spec}" (fun () ->
                let run width threads =
                    withEngine width threads (fun () ->
                        let model = newModel ()
                        use optimizer = Optimizer.Create(spec, model)
                        let norms = ResizeArray()
                        steps model 3L (fun i ->
                            norms.Add(optimizer.GradientNorm())
                            optimizer.Step(0.1, i, 0.7))
                        weights model, List.ofSeq norms)
                let reference = run VectorWidth.Auto 1
                for width in [ VectorWidth.Scalar; VectorWidth.Bits128; VectorWidth.Bits256; VectorWidth.Bits512 ] do
                    for threads in 1 .. 3 do Expect.equal (run width threads) reference $"{width}, {threads} threads")

        againstTorch OptimizerSpec.Sgd 0.3 (fun m -> torch.optim.SGD(m.parameters (), 0.3))
        againstTorch (OptimizerSpec(OptimizerKind.Sgd, 0.9)) 0.3 (fun m -> torch.optim.SGD(m.parameters (), 0.3, 0.9))
        againstTorch (OptimizerSpec(OptimizerKind.Sgd, WeightDecay = 0.03)) 0.3 (fun m -> torch.optim.SGD(m.parameters (), 0.3, weight_decay = 0.03))
        againstTorch (OptimizerSpec(OptimizerKind.Sgd, 0.9, WeightDecay = 0.03)) 0.3 (fun m -> torch.optim.SGD(m.parameters (), 0.3, 0.9, weight_decay = 0.03))
        againstTorch (OptimizerSpec(OptimizerKind.Adam, WeightDecay = 0.03)) 0.01 (fun m -> torch.optim.Adam(m.parameters (), 0.01, weight_decay = 0.03))
        againstTorch OptimizerSpec.RmsProp 0.01 (fun m -> torch.optim.RMSProp(m.parameters (), 0.01, alpha = 0.99))
        againstTorch OptimizerSpec.Adam 0.01 (fun m -> torch.optim.Adam(m.parameters (), 0.01))
        againstTorch OptimizerSpec.Adadelta 1.0 (fun m -> torch.optim.Adadelta(m.parameters (), 1.0, rho = 0.95))

        torchTest "the norm is over all gradients, and the clip is torch's" (fun () ->
            for clip in [ 0.1; 1.0; 1e3 ] do
                let ours, theirs = newModel (), newModel ()
                use optimizer = Optimizer.Create(OptimizerSpec.Sgd, ours)
                withGradients ours 1L
                withGradients theirs 1L
                let norm = optimizer.GradientNorm()
                let expected = sqrt (Seq.sum (seq { for p in theirs.parameters () do for v in values p.grad -> v * v }))
                Tol.close tensor32 expected norm "norm"
                optimizer.Step(0.7, 1L, min 1.0 (clip / norm))
                torch.nn.utils.clip_grad_norm_ (theirs.parameters (), clip) |> ignore
                (torch.optim.SGD(theirs.parameters (), 0.7)).step () |> ignore
                close $"clip {clip}" theirs ours)

        torchTest "a model in double precision is trained by the composed form" (fun () ->
            let model, other = newModel (), newModel ()
            model.``to``(torch.ScalarType.Float64) |> ignore
            use ours = Optimizer.Create(OptimizerSpec.Adam, model)
            use fused = Optimizer.Create(OptimizerSpec.Adam, other)
            for i in 1L .. 3L do
                withGradients other i
                for p, o in Seq.zip (model.parameters ()) (other.parameters ()) do p.grad <- o.grad.to_type torch.ScalarType.Float64
                Tol.close tensor32 (fused.GradientNorm()) (ours.GradientNorm()) "norm"
                ours.Step(0.1, i)
                fused.Step(0.1, i)
            close "weights" model other)

        torchTest "a step before the first is refused" (fun () ->
            let model = newModel ()
            for optimizer in [ Optimizer.Create(OptimizerSpec.Adam, model); new ComposedOptimizer(OptimizerSpec.Adam, ResizeArray(named model)) ] do
                withGradients model 1L
                let before = weights model
                Expect.throwsT<ArgumentOutOfRangeException> (fun () -> optimizer.Step(0.1, 0L)) "step 0"
                Expect.equal (weights model) before "nothing is changed")

        torchTest "a parameter without a gradient is not changed for a backward pass that waits" (fun () ->
            let model = newModel ()
            use optimizer = Optimizer.Create(OptimizerSpec.Adam, model)
            let all = Seq.toArray (model.parameters ())
            let waiting = (all[2] * all[2]).sum ()
            (all[0] * all[0]).sum().backward ()
            optimizer.Step(0.1, 1L)
            waiting.backward ()
            closeTensor tensor32 (all[2].detach () * 2) all[2].grad "gradient")

        torchTest "Graves' method stays a number where its variance is 0 but for rounding" (fun () ->
            let spec = OptimizerSpec(OptimizerKind.GravesRmsProp, 0.9, Decay = 0.85)
            let model: torch.nn.Module = torch.nn.Linear(3L, 2L)
            for optimizer in [ Optimizer.Create(spec, model); new ComposedOptimizer(spec, ResizeArray(named model)) ] do
                for i in 1L .. 200L do
                    for p in model.parameters () do p.grad <- torch.full_like (p, (50.0f).ToScalar())
                    optimizer.Step(1e-4, i)
                Expect.all (weights model) (Array.forall Double.IsFinite) (optimizer.GetType().Name))

        torchTest "no gradient is no step; a gradient that is not a number shows in the norm" (fun () ->
            let model = newModel ()
            use optimizer = Optimizer.Create(OptimizerSpec.Sgd, model)
            let before = weights model
            Expect.equal (optimizer.GradientNorm()) 0.0 "norm"
            optimizer.Step(1.0, 1L)
            Expect.equal (weights model) before "weights"
            withGradients model 1L
            (Seq.head (model.parameters ())).grad[torch.TensorIndex.Single 0L, torch.TensorIndex.Single 0L] <- torch.tensor nanf
            Expect.isTrue (Double.IsNaN(optimizer.GradientNorm())) "NaN")

        for spec in specs do
            torchTest $"rows that a lookup did not touch: {spec}" (fun () ->
                let make () = new RecurrentLanguageModel(50, RecurrentShape(7L, 1L), Variants.Soft, 0.1, NoiseClock 1L)
                let weight (model: RecurrentLanguageModel) = model.get_parameter "encoder"
                let tokens = torch.tensor [| 3L; 9L; 3L; 49L; 0L |]
                let ours, theirs = make (), make ()
                use fused = Optimizer.Create(spec, ours)
                use composed = new ComposedOptimizer(spec, ResizeArray(named theirs))
                for i in 1L .. 3L do
                    let factors = filled (10L + i) [ 5L; 7L ]
                    (EmbeddingLookup.Rows(weight ours, tokens) * factors).sum().backward ()
                    ((weight theirs).index_select(0L, tokens) * factors).sum().backward ()
                    closeTensor tensor32 (weight theirs).grad (weight ours).grad "the gradient is there for all to see"
                    Tol.close tensor32 (composed.GradientNorm()) (fused.GradientNorm()) "norm"
                    fused.Step(0.1, i)
                    composed.Step(0.1, i)
                close "weights" theirs ours)

        for spec in specs do
            torchTest $"a parameter without a gradient stays as it is: {spec}" (fun () ->
                for make in [ (fun m -> Optimizer.Create(spec, m)); (fun m -> new ComposedOptimizer(spec, ResizeArray(named m)) :> Optimizer) ] do
                    let model = newModel ()
                    use optimizer = make model
                    steps model 2L (fun i -> optimizer.Step(0.1, i))
                    let before = weights model
                    let first = Seq.head (model.parameters ())
                    first.grad <- filled 7L (shape first)
                    optimizer.Step(0.1, 3L)
                    let after = weights model
                    Expect.notEqual after.Head before.Head "the one with a gradient"
                    Expect.equal after.Tail before.Tail "the others")

        torchTest "two gradients of one parameter add up, whichever function made them" (fun () ->
            let model = new RecurrentLanguageModel(5, RecurrentShape(2L, 1L), Variants.Soft, 0.1, NoiseClock 1L)
            let weight = model.get_parameter "encoder"
            use optimizer = Optimizer.Create(OptimizerSpec.Sgd, model)
            let before = values weight
            let tokens = torch.tensor [| 1L; 1L; 4L |]
            EmbeddingLookup.Rows(weight, tokens).sum().backward ()
            weight.sum().backward ()
            EmbeddingLookup.Rows(weight, tokens).sum().backward ()
            optimizer.Step(1.0, 1L)
            let counts = [| 1.0; 5.0; 1.0; 1.0; 3.0 |]
            for i in 0 .. 9 do Tol.close tensor32 (before[i] - counts[i / 2]) ((values weight)[i]) $"element {i}")

        test "an impossible optimiser names every broken rule" {
            Tol.throws<InvalidSpecException>
                (InvalidSpecException([ "momentum is 1: must be in [0, 1)"; "epsilon is 0: must be finite and > 0"; "weight decay is -1: must be finite and >= 0" ]).Message)
                (fun () -> OptimizerSpec(OptimizerKind.Sgd, 1.0, Epsilon = 0.0, WeightDecay = -1.0).Validate() |> ignore)
        }
    ]
