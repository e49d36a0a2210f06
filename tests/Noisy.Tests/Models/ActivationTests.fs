module Noisy.Tests.ActivationTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.Arbitraries
open Noisy.Tests.TorchHelpers
open TorchSharp

type private Point =
    { X: float32
      Xi: float32
      P: float32 }

/// Units whose thresholds single precision hits exactly.
let private dyadic (unit: SaturatingUnit) =
    [ SaturatingUnit.HardTanh; SaturatingUnit.HardSigmoid; SaturatingUnit.Relu; SaturatingUnit.Relu6 ] |> List.contains unit

let private thresholds (unit: SaturatingUnit) = [ unit.LowerThreshold; unit.UpperThreshold ] |> List.filter Double.IsFinite

/// Whether single precision may see x on another side of a threshold than double does.
let private ambiguous (unit: SaturatingUnit) (x: float) =
    thresholds unit |> List.exists (fun t -> abs (x - t) <= 2e-6 * (1.0 + abs x) && not (dyadic unit && x = t))

let private places (spec: NoisyActivationSpec) =
    let draws = Draws 5UL
    let huge = if spec.Scaling = NoiseScaling.Ratio then [ 1e3; 1e6 ] else [ 1e3; 1e4; 1e10; 1e30 ]
    [ yield! thresholds spec.Unit
      yield! [ 0.0; -0.0; 1e-40; -1e-40 ]
      for h in huge do yield! [ h; -h ]
      for _ in 1..48 -> 16.0 * draws.Uniform() - 8.0 ]
    |> List.filter (ambiguous spec.Unit >> not)
    |> List.map (fun x ->
        { X = float32 x
          Xi = float32 (if abs x > 1e3 then abs (draws.Normal()) else draws.Normal())
          P = float32 (2.0 * draws.Uniform() - 1.0) })

/// The noise that stands for ξ in a mode.
let private xiOf (spec: NoisyActivationSpec) mode (point: Point) =
    match mode with
    | NoiseMode.Sample -> float point.Xi
    | NoiseMode.Mean -> NoisyMoments.PlugInNoise spec.Noise
    | _ -> 0.0

/// Checks value and both slopes of some points against the scalar reference.
let private check (spec: NoisyActivationSpec) c mode (points: Point list) =
    let column (f: Point -> float32) : Tensor = torch.tensor(points |> List.map f |> List.toArray)
    use x = (column (fun q -> q.X)).requires_grad_ ()
    use p = (column (fun q -> q.P)).requires_grad_ ()
    use xi = column (fun q -> q.Xi)
    use y = ComposedActivation.Apply(spec, x, xi, p, c, mode)
    y.sum().backward ()
    let value, dx = values y, values x.grad
    let dp = if isNull p.grad then Array.zeroCreate value.Length else values p.grad
    for i, point in List.indexed points do
        let x, p, xi = float point.X, float point.P, xiOf spec mode point
        let at = NoisyFunction.Evaluate(spec, x, xi, p, c)
        let noise = at.Sigma * xi
        let inside = at.Value > spec.Unit.Lower && at.Value < spec.Unit.Upper
        let output = spec.Placement = NoisePlacement.Output || spec.Noise = NoiseKind.None
        let size =
            if spec.UseSoft then 1.0
            elif output then abs at.H + abs ((1.0 - spec.Alpha) * at.Gap) + abs noise
            elif inside then 1.0 + abs (spec.Unit.Slope * x) + abs (spec.Unit.Slope * noise)
            else 1.0
        let near tolerance scale expected actual what =
            Tol.close { tolerance with Absolute = tolerance.Absolute * scale } expected actual $"{what} of {spec} at x {x}, xi {xi}, p {p}, c {c}, {mode}"
        near Tol.simd32 (1.0 + size) at.Value value[i] "value"
        // Where a second clip is near, the two precisions may stand on different sides of its kink.
        let second =
            if output && spec.ClipOutput && at.Gap <> 0.0 then
                NoisyFunction.Value(spec.WithClipOutput false, x, xi, p, c)
            elif not output && noise <> 0.0 then
                HardFunctions.Linear(spec.Unit, x + noise)
            else
                nan
        let kink = [ spec.Unit.Lower; spec.Unit.Upper ] |> List.exists (fun b -> abs (second - b) <= 1e-5 * (1.0 + size))
        if not kink then
            let epsilon = c * abs xi * (1.0 + min (abs at.U) 100.0)
            near Tol.simd32 (1.0 + spec.Unit.Slope + abs at.Dx + epsilon * (1.0 + abs p + p * p) * (1.0 + spec.Unit.Slope)) at.Dx dx[i] "dx"
            near Tol.simd32 (1.0 + abs at.Dp + epsilon * (1.0 + abs at.Gap)) at.Dp dp[i] "dp"

let private modes = [ NoiseMode.Sample; NoiseMode.Mean; NoiseMode.Off ]
let private nan' = Variants.Nan.Tanh

let private activation (spec: NoisyActivationSpec) units seed = new NoisyActivation(spec, units, NoiseClock(seed: int64))

let private composed =
    [ for mode in modes do
          torchTest $"equals the scalar reference for every variant and valid spec: {mode}" (fun () ->
              for spec in variants @ allSpecs do
                  use _ = torch.NewDisposeScope()
                  check spec 0.5 mode (places spec))

      torchProperty "equals the scalar reference anywhere" 400 (fun (case: Case) ->
          let x = float (float32 case.X)
          if not (ambiguous case.Spec.Unit x) && (case.Spec.Scaling <> NoiseScaling.Ratio || abs x < 1e6) then
              for mode in modes do
                  check case.Spec (float (float32 case.C)) mode [ { X = float32 case.X; Xi = float32 case.Xi; P = float32 case.P } ])

      torchTest "without noise scale the value is the leaky function, whatever the draw" (fun () ->
          for spec in variants do
              check spec 0.0 NoiseMode.Sample (places spec |> List.filter (fun q -> abs q.X < 1e4f)))

      torchTest "far out a leak of 1 gives the bound exactly" (fun () ->
          use x = vector [ 1e4; 3e7; 1e30; -1e4; -1e30 ]
          use p = vector [ 1.0 ]
          use y = ComposedActivation.Apply(nan'.WithAlpha 1.0, x, null, p, 0.5, NoiseMode.Off)
          Expect.equal (values y) [| 1.0; 1.0; 1.0; -1.0; -1.0 |] "bounds")

      torchTest "the exact mean is that of the closed forms" (fun () ->
          for spec in variants @ (allSpecs |> List.filter (fun s -> s.Scaling <> NoiseScaling.Ratio)) do
              use _ = torch.NewDisposeScope()
              let points = places spec |> List.filter (fun q -> abs q.X <= 1e4f) |> List.truncate 20
              use x = vector [ for q in points -> float q.X ]
              use p = vector [ for q in points -> float q.P ]
              let found = values (ComposedActivation.Apply(spec, x, null, p, 0.5, NoiseMode.ExactMean))
              for i, q in List.indexed points do
                  let expected = NoisyMoments.Mean(spec, float q.X, float q.P, 0.5)
                  Tol.close Tol.simd32 expected found[i] $"{spec} at {q}")

      torchTest "the exact mean has the shape of x, with p broadcast" (fun () ->
          use x = filled 1L [ 2L; 3L; 4L ] * 4
          use p = filled 2L [ 4L ]
          use y = ComposedActivation.Apply(Variants.Nah.Tanh, x, null, p, 0.5, NoiseMode.ExactMean)
          let xs, ps = values x, values p
          Expect.equal (shape y) [ 2L; 3L; 4L ] "shape"
          values y
          |> Array.iteri (fun i v -> Tol.close Tol.simd32 (NoisyMoments.Mean(Variants.Nah.Tanh, xs[i], ps[i % 4], 0.5)) v $"element {i}"))

      torchTest "missing noise or gain is an error that names it" (fun () ->
          use x = vector [ 3.0 ]
          let message name = $"this activation needs {name} (Parameter '{name}')"
          Tol.throws<ArgumentNullException> (message "xi") (fun () ->
              ComposedActivation.Apply(Variants.Nani.Tanh, x, null, null, 0.5, NoiseMode.Sample) |> ignore)
          use xi = vector [ 1.0 ]
          Tol.throws<ArgumentNullException> (message "p") (fun () ->
              ComposedActivation.Apply(nan', x, xi, null, 0.5, NoiseMode.Sample) |> ignore))

      torchTest "a gain of one row serves every row, and gathers their gradients" (fun () ->
          use x = filled 3L [ 5L; 4L ] * 4
          use xi = filled 4L [ 5L; 4L ]
          let gain = (filled 5L [ 4L ]).requires_grad_ ()
          ComposedActivation.Apply(nan', x, xi, gain, 0.5, NoiseMode.Sample).sum().backward ()
          let xs, xis, ps, slopes = values x, values xi, values gain, values gain.grad
          for j in 0..3 do
              let expected = Seq.sum (seq { for i in 0..4 -> NoisyFunction.Dp(nan', xs[4 * i + j], xis[4 * i + j], ps[j], 0.5) })
              Tol.close tensor32 expected slopes[j] $"unit {j}") ]

let private modules =
    [ torchTest "the plain face is the pure one with the clock's context" (fun () ->
          let clock = NoiseClock 3L
          let first, second = new NoisyActivation(nan', 4L, clock), new NoisyActivation(Variants.Nah.Tanh, 4L, clock)
          let x = filled 6L [ 3L; 4L ] * 4
          clock.Advance(7L, 0.75)
          let context step = NoiseContext(NoiseMode.Sample, clock.Key.Child("noise"), 7L, step, 0.75)
          sameTensor (first.forward (x, context 0)) (first.forward x) "first site"
          sameTensor (second.forward (x, context 0)) (second.forward x) "second site"
          sameTensor (first.forward (x, context 1)) (first.forward x) "second call of the first site")

      torchTest "the noise of element i of a call is draw i of its site, update and call" (fun () ->
          let clock = NoiseClock 3L
          use unit = new NoisyActivation(Variants.Nani.Tanh.WithC 0.125, 4L, clock)
          clock.Advance 9L
          let y = unit.forward (torch.zeros [| 3L; 4L |])
          let draws = Array.zeroCreate<float32> 12
          NoiseSampler.Normal(clock.Key.Child("noise").Child(0u).At(9L, 0), 0L, draws.AsSpan())
          Expect.equal (values y) (draws |> Array.map (fun d -> Math.Clamp(float (0.125f * d), -1.0, 1.0))) "h(0 + c ξ)")

      torchTest "two calls in one update differ, the same update again gives the same bits, another does not" (fun () ->
          let clock = NoiseClock 4L
          use unit = new NoisyActivation(nan', 8L, clock)
          let x = filled 7L [ 16L; 8L ] * 4
          clock.Advance 5L
          let a, b = unit.forward x, unit.forward x
          Expect.isFalse (a.equal(b).all().item<bool> ()) "second call"
          clock.Advance 5L
          sameTensor a (unit.forward x) "same update again, first call"
          sameTensor b (unit.forward x) "same update again, second call"
          clock.Advance 6L
          Expect.isFalse (a.equal(unit.forward x).all().item<bool> ()) "next update")

      torchTest "eval takes the expectation and counts no call" (fun () ->
          let clock = NoiseClock 4L
          use unit = new NoisyActivation(Variants.Nah.Tanh, 8L, clock)
          let x = filled 7L [ 16L; 8L ] * 4
          let first = unit.forward x
          clock.Advance 0L
          unit.eval ()
          sameTensor (unit.forward (x, NoiseContext.Test)) (unit.forward x) "mean"
          clock.TestMode <- NoiseMode.Off
          sameTensor (unit.forward (x, NoiseContext NoiseMode.Off)) (unit.forward x) "off"
          unit.train ()
          sameTensor first (unit.forward x) "first draw of the update")

      torchTest "sampling at test time is refused" (fun () ->
          Expect.throwsT<ArgumentOutOfRangeException> (fun () -> NoiseClock(1L).TestMode <- NoiseMode.Sample) "test mode")

      torchTest "a clock refuses negative updates and impossible scales" (fun () ->
          let clock = NoiseClock 1L
          Expect.throwsT<ArgumentOutOfRangeException> (fun () -> clock.Advance -1L) "update"
          for scale in [ -0.1; nan; infinity ] do
              Expect.throwsT<ArgumentOutOfRangeException> (fun () -> clock.Advance(0L, scale)) $"scale {scale}")

      torchTest "a learned gain is a parameter and gets a gradient" (fun () ->
          use unit = activation nan' 8L 1L
          Expect.equal [ for struct (name, _) in unit.named_parameters () -> name ] [ "p" ] "parameters"
          let p = unit.get_parameter "p"
          Expect.equal (shape p) [ 8L ] "shape"
          Expect.isTrue (values p |> Array.forall (fun v -> abs v < 1.0 && v <> 0.0)) "starts inside (-1, 1)"
          unit.forward(filled 8L [ 16L; 8L ] * 4).sum().backward ()
          Expect.isTrue (values p.grad |> Array.exists (fun g -> g <> 0.0)) "gradient")

      torchTest "a frozen gain is a buffer, is saved, and gets no gradient" (fun () ->
          use unit = activation (nan'.WithLearnP(false).WithP 0.5) 8L 1L
          Expect.isEmpty (unit.parameters ()) "parameters"
          Expect.equal [ for struct (name, _) in unit.named_buffers () -> name ] [ "p" ] "buffers"
          Expect.isTrue (unit.state_dict().ContainsKey "p") "state"
          let x = (filled 8L [ 16L; 8L ] * 4).detach().requires_grad_ ()
          unit.forward(x).sum().backward ()
          Expect.isNull (unit.get_buffer("p").grad) "gradient of p"
          Expect.isNotNull x.grad "gradient of x")

      torchTest "a gain outlives the scope that its module was made in" (fun () ->
          for learned in [ true; false ] do
              let unit =
                  use _ = torch.NewDisposeScope()
                  activation (nan'.WithLearnP(learned)) 4L 1L
              Expect.equal (shape (unit.forward (filled 1L [ 2L; 4L ]))) [ 2L; 4L ] $"learned {learned}")

      torchTest "an activation without a gain has neither parameter nor buffer" (fun () ->
          for spec in [ Variants.Soft.Tanh; Variants.Hard.Sigmoid; Variants.Nani.Tanh; Variants.Nanis.Sigmoid ] do
              use unit = activation spec 4L 1L
              Expect.isEmpty (unit.state_dict ()) $"{spec}")

      torchTest "initial gains follow from seed and site alone" (fun () ->
          let gains seed =
              let clock = NoiseClock(seed: int64)
              [ for _ in 1..2 -> values ((new NoisyActivation(nan', 6L, clock)).get_parameter "p") ]
          let a, b = gains 1L, gains 1L
          Expect.equal a b "same seed"
          Expect.notEqual a[0] a[1] "sites"
          Expect.notEqual a (gains 2L) "seeds")

      torchTest "a wrong width is an error" (fun () ->
          use unit = activation nan' 4L 1L
          Tol.throws<ArgumentException> "the last dimension of x is 5: must be 4 (Parameter 'x')" (fun () ->
              unit.forward (torch.zeros [| 2L; 5L |]) |> ignore)
          Tol.throws<ArgumentException> "the last dimension of x is missing: must be 4 (Parameter 'x')" (fun () ->
              unit.forward (torch.tensor 1.0f) |> ignore))

      torchTest "an impossible spec is refused when the module is built" (fun () ->
          Expect.throwsT<InvalidSpecException> (fun () -> activation (nan'.WithC -1.0) 4L 1L |> ignore) "negative c"
          Expect.throwsT<ArgumentOutOfRangeException> (fun () -> activation nan' 0L 1L |> ignore) "no units")

      torchTest "it works inside a sequential model" (fun () ->
          let clock = NoiseClock 1L
          use model =
              torch.nn.Sequential(
                  struct ("linear", torch.nn.Linear(3L, 8L) :> torch.nn.Module<Tensor, Tensor>),
                  struct ("unit", new NoisyActivation(nan', 8L, clock) :> torch.nn.Module<Tensor, Tensor>))
          Expect.containsAll [ for struct (name, _) in model.named_parameters () -> name ] [ "unit.p"; "linear.weight" ] "parameters"
          let x = filled 9L [ 4L; 3L ] * 20
          let first = model.forward x
          Expect.isFalse (first.equal(model.forward x).all().item<bool> ()) "trains with noise"
          model.eval ()
          sameTensor (model.forward x) (model.forward x) "evaluates without") 

      cudaTest "on a GPU the draws are the same bits, and the values agree" (fun cuda ->
          for spec in variants do
              let clock = NoiseClock 3L
              use unit = new NoisyActivation(spec, 16L, clock)
              let x = filled 6L [ 8L; 16L ] * 4
              let expected = unit.forward x
              clock.Advance 0L
              unit.``to`` cuda |> ignore
              closeTensor Tol.simd32 expected (unit.forward (x.``to`` cuda)) $"{spec}"
              sameTensor (NoiseSource.Normal(clock.Key, 1L, 2, [| 3L; 5L |], torch.CPU)) (NoiseSource.Normal(clock.Key, 1L, 2, [| 3L; 5L |], cuda).cpu ()) "draws") ]

let tests =
    testSequenced
    <| testList "activation" [ testList "composed from tensor operations" composed; testList "module" modules ]
