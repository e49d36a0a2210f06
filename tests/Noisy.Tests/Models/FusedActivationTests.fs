/// The fused activation against composed tensor operations, and against itself at other widths and thread counts.
module Noisy.Tests.FusedActivationTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

/// One activation of a tensor.
type Pass =
    { Spec: NoisyActivationSpec
      Rows: int64
      Units: int64
      /// Whether one gap gain serves all units.
      Shared: bool
      C: float
      Mode: NoiseMode
      Width: VectorWidth
      Threads: int
      Seed: int64 }

let private widths = [ VectorWidth.Scalar; VectorWidth.Bits128; VectorWidth.Bits256; VectorWidth.Bits512 ]
let private specs = Arbitraries.variants @ Arbitraries.allSpecs |> List.filter (fun spec -> not spec.UseSoft)

type PassArbitrary =
    static member Pass() =
        gen {
            let! spec = Gen.elements specs
            let! rows = Gen.frequency [ 3, Gen.choose (1, 40); 1, Gen.choose (41, 400) ]
            let! units = Gen.frequency [ 3, Gen.choose (1, 70); 1, Gen.choose (71, 600) ]
            let! shared = Gen.frequency [ 3, Gen.constant false; 1, Gen.constant true ]
            let! c = Gen.elements [ 0.0; 0.15; 0.5; 2.0; 30.0 ]
            let! mode = Gen.frequency [ 4, Gen.constant NoiseMode.Sample; 1, Gen.constant NoiseMode.Mean; 1, Gen.constant NoiseMode.Off ]
            let! width = Gen.elements widths
            let! threads = Gen.choose (1, 4)
            let! seed = Gen.choose (0, 1_000_000)
            return
                { Spec = spec; Rows = int64 rows; Units = int64 units; Shared = shared; C = c; Mode = mode; Width = width
                  Threads = threads; Seed = int64 seed }
        }
        |> Arb.fromGen

/// Path, activations, gradient in x and gradient in p.
let private run (pass: Pass) engine =
    use _ = torch.NewDisposeScope()
    use unit = new NoisyActivation(pass.Spec, (if pass.Shared then 1L else pass.Units), NoiseClock pass.Seed, Backend = engine)
    let x = (filled (pass.Seed + 1L) [ pass.Rows; pass.Units ]).mul((4.0f).ToScalar()).detach().requires_grad_ ()
    let y = unit.forward (x, NoiseContext(pass.Mode, NoiseKey.FromSeed(pass.Seed).Child("site"), 7L, 3, Nullable pass.C))
    (y * filled (pass.Seed + 2L) [ pass.Rows; pass.Units ]).sum().backward ()
    let gains = [| for p in unit.parameters () do if isNull p.grad then yield! Array.zeroCreate (int (p.numel ())) else yield! values p.grad |]
    unit.LastBackend, values y, values x.grad, gains

/// The largest difference, relative to the largest number or, if all are below it, to a floor.
let private difference floor (expected: float[]) (actual: float[]) =
    let largest = Array.fold (fun m v -> max m (abs v)) floor expected
    Array.map2 (fun e a -> (if Double.IsFinite(e - a) then abs (e - a) else infinity) / largest) expected actual |> Array.fold max 0.0

let private property name count (body: Pass -> unit) =
    testPropertyWithConfig { FsCheckConfig.defaultConfig with arbitrary = [ typeof<PassArbitrary> ]; maxTest = count } name (fun (pass: Pass) ->
        TorchNative.EnsureLoaded()
        torch.set_num_threads 1
        body pass)

/// A number of rows that several threads share, by units: many blocks of whole rows, the last one short.
let private large = [ 70L, 1003L; 9L, 8000L; 500L, 260L; 2100L, 69L ]

let tests =
    testSequenced
    <| testList "fused activation" [
        property "equals composed operations, noise and gradients included" 300 (fun pass ->
            // A pre-activation within a rounding of a threshold may fall on either side, and its slope with it. That is a
            // matter of the data, so a case fails if it does with three sets of data.
            let attempt i =
                let pass = { pass with Seed = pass.Seed + 1000L * int64 i }
                let _, y, dx, dp = run pass Backend.Composed
                let path, y', dx', dp' = withEngine pass.Width pass.Threads (fun () -> run pass Backend.Auto)
                Expect.equal path FusedEngine.FusedName "path"
                // Noise of a large scale is added to what is small, and its roundings are of its own size.
                let floor = max 1.0 (0.5 * pass.C)
                let found = difference floor y y', difference floor dx dx', difference floor dp dp'
                match found with
                | a, b, c when a <= 2e-6 && b <= 4e-6 && c <= 1e-5 -> None
                | _ -> Some found
            match Seq.initInfinite attempt |> Seq.take 3 |> Seq.takeWhile Option.isSome |> Seq.choose id |> List.ofSeq with
            | [ a; b; c ] -> failtestf "differences of value, slope and gain: %A; %A; %A" a b c
            | _ -> ())

        testList "every width and every number of threads gives the same bits" [
            for spec in Arbitraries.variants do
                if not spec.UseSoft then
                    torchTest $"{spec}" (fun () ->
                        for units, rows in large do
                            let pass threads width =
                                { Spec = spec; Rows = rows; Units = units; Shared = false; C = 0.5; Mode = NoiseMode.Sample
                                  Width = width; Threads = threads; Seed = 5L }
                            let bits pass = withEngine pass.Width pass.Threads (fun () -> run pass Backend.Auto)
                            let reference = bits (pass 1 VectorWidth.Auto)
                            for threads, width in [ 2, VectorWidth.Auto; 3, VectorWidth.Bits128; 4, VectorWidth.Scalar ] do
                                Expect.isTrue (bits (pass threads width) = reference) $"{rows} x {units}, {threads} threads, {width}")
        ]

        torchTest "x may be laid out in any order, and the gradient from above too" (fun () ->
            use unit = new NoisyActivation(Variants.Nah.Tanh, 5L, NoiseClock 1L)
            let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 2L)
            let gradient (x: Tensor) =
                let x = x.detach().requires_grad_ ()
                unit.forward(x, context).sum().backward () // its gradient is one number, expanded
                values x.grad
            let x = filled 3L [ 5L; 7L ] * 4
            Expect.equal (gradient (x.t ())) (gradient (x.t().contiguous ())) "transposed")

        torchTest "a tensor of no dimension, one of none of its elements, and one of three dimensions keep their shapes" (fun () ->
            for backend in [ Backend.Auto; Backend.Composed ] do
                for pair in [ Variants.Nan; Variants.Nah; Variants.Nanil; Variants.Nani ] do
                    use unit = new NoisyActivation(pair.Tanh, 1L, NoiseClock 1L, Backend = backend)
                    for size in [ []; [ 0L; 4L ]; [ 2L; 3L; 4L ] ] do
                        let x = torch.ones (List.toArray size)
                        Expect.equal (shape (unit.forward x)) size $"{pair.Name}, {backend}, {size}")

        torchTest "a module in double precision has the reference's digits" (fun () ->
            for spec in [ Variants.Nan.Tanh; Variants.Nah.Sigmoid; Variants.Nani.Tanh; Variants.Nah.Tanh.WithUnit SaturatingUnit.HardSigmoidSixth ] do
                use unit = new NoisyActivation(spec, 1L, NoiseClock 1L)
                unit.``to`` torch.ScalarType.Float64 |> ignore
                let p = if spec.UsesP then Seq.head (values (unit.get_parameter "p")) else 0.0
                let x = [| -5.0; -2.999999; 0.3; 1.7; 2.99999995; 5.0 |]
                let y = values (unit.forward (torch.tensor x, NoiseContext NoiseMode.Off))
                for x, y in Array.zip x y do
                    let expected = NoisyFunction.Value(spec, x, 0.0, p, spec.C)
                    Tol.close { Absolute = 1e-14; Relative = 1e-14; Reason = "a few roundings in double precision" } expected y $"{spec} at {x}")

        test "a noise scale that is none is refused where it is given" {
            for scale in [ -0.5; nan; infinity ] do
                Expect.throwsT<ArgumentOutOfRangeException> (fun () -> NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 1L, 0L, 0, Nullable scale) |> ignore) $"{scale}"
            Expect.equal (NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 1L, 0L, 0, Nullable 0.5).Later 3).Scale (Nullable 0.5) "kept"
        }

        torchTest "gradients add up as torch's do, beside an optimiser of ours and without" (fun () ->
            let norm engine owned =
                use unit = new NoisyActivation(Variants.Nan.Tanh, 6L, NoiseClock 1L, Backend = engine)
                let optimizer = if owned then Some(Optimizer.Create(OptimizerSpec.Sgd, unit)) else None
                for update in 0L .. 2L do
                    unit.forward(filled 4L [ 9L; 6L ] * 4, NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 1L, update)).sum().backward ()
                let seen = unit.get_parameter("p").grad.norm().item<float32> () |> float
                match optimizer with
                | Some o ->
                    Tol.close Tol.simd32 seen (o.GradientNorm()) "the optimiser sees what grad holds"
                    o.GradientNorm()
                | None -> seen
            let expected = norm Backend.Composed false
            Tol.above expected 0.0 "there is a gradient"
            Tol.close Tol.simd32 expected (norm Backend.Auto false) "torch's"
            Tol.close Tol.simd32 expected (norm Backend.Auto true) "the optimiser's")

        torchTest "a second backward pass over the same graph gives the same gradients" (fun () ->
            use unit = new NoisyActivation(Variants.Nah.Sigmoid, 6L, NoiseClock 1L)
            let x = (filled 1L [ 4L; 6L ] * 8).detach().requires_grad_ ()
            let sum = unit.forward(x).sum ()
            sum.backward (retain_graph = true)
            let first = values x.grad, values (unit.get_parameter("p").grad)
            x.grad <- null
            unit.get_parameter("p").grad <- null
            sum.backward ()
            Expect.equal (values x.grad, values (unit.get_parameter("p").grad)) first "gradients")

        torchTest "what has no gradient gets none, and nothing is recorded where nobody asks" (fun () ->
            use frozen = new NoisyActivation(Variants.Nan.Tanh.WithLearnP false, 3L, NoiseClock 1L)
            let x = (filled 1L [ 4L; 3L ] * 4).detach ()
            Expect.isFalse (frozen.forward x).requires_grad "neither"
            use learned = new NoisyActivation(Variants.Nan.Tanh, 3L, NoiseClock 1L)
            Expect.isTrue (learned.forward x).requires_grad "the gain alone"
            learned.forward(x).sum().backward ()
            Expect.isNull x.grad "x has none"
            Expect.isNotNull (learned.get_parameter("p").grad) "the gain has one"
            use _ = torch.no_grad ()
            Expect.isFalse (learned.forward x).requires_grad "switched off")

        torchTest "tanh and sigmoid stay torch's; other types and exact means are composed" (fun () ->
            let path (spec: NoisyActivationSpec) (x: Tensor) (mode: NoiseMode) =
                use unit = new NoisyActivation(spec, 3L, NoiseClock 1L)
                unit.``to`` x.dtype |> ignore
                let y = unit.forward (x, NoiseContext mode)
                unit.LastBackend, y
            let x = filled 1L [ 2L; 3L ]
            let soft, y = path Variants.Soft.Tanh x NoiseMode.Sample
            Expect.equal soft FusedEngine.ComposedName "tanh"
            sameTensor (x.tanh ()) y "tanh's bits"
            Expect.equal (fst (path Variants.Nani.Tanh x NoiseMode.ExactMean)) FusedEngine.ComposedName "exact mean"
            Expect.equal (fst (path Variants.Nah.Tanh (x.to_type torch.ScalarType.Float64) NoiseMode.Mean)) FusedEngine.ComposedName "double")
    ]
