module Noisy.Tests.KernelTests

#nowarn "9"

open System
open Expecto
open Noisy.Core
open Noisy.Tests.Arbitraries

let private widths = [ VectorWidth.Scalar; VectorWidth.Bits128; VectorWidth.Bits256; VectorWidth.Bits512; VectorWidth.Auto ]

/// One spec for every operator, and the clipped ones.
let private operators =
    variants
    @ [ NoisyActivationSpec(SaturatingUnit.HardSigmoid, NoiseKind.HalfNormal, Scaling = NoiseScaling.Excess, Alpha = 1.05, C = 0.5)
        NoisyActivationSpec(SaturatingUnit.HardTanh, Alpha = 0.9, ClipOutput = true)
        Variants.Nah.Sigmoid.WithClipOutput true
        NoisyActivationSpec(SaturatingUnit.HardTanh, NoiseKind.Normal, Scaling = NoiseScaling.Excess, C = 0.5, ClipOutput = true)
        Variants.Nan.Tanh.WithUnit SaturatingUnit.Relu ]

type private Run = { X: float32[]; Xi: float32[]; P: float32[]; GradY: float32[] }

let private inputs (draws: Draws) rows units =
    let fill n f = Array.init n (fun _ -> float32 (f ()))
    let n = rows * units
    { X = fill n (fun () -> 3.0 * draws.Normal())
      Xi = fill n draws.Normal
      P = fill units (fun () -> 2.0 * draws.Uniform() - 1.0)
      GradY = fill n draws.Normal }

let private span (a: float32[]) = ReadOnlySpan<float32>(a)
let private part (a: float32[]) start length = ReadOnlySpan<float32>(a, start, length)

let private forward (spec: NoisyActivationSpec) c run width =
    let y = Array.zeroCreate<float32> run.X.Length
    SpanKernels.Forward(spec, c, span run.X, span run.Xi, span run.P, Span y, width)
    y

let private backward (spec: NoisyActivationSpec) c run width =
    let gradX, gradP = Array.zeroCreate<float32> run.X.Length, Array.zeroCreate<float32> run.P.Length
    SpanKernels.Backward(spec, c, span run.X, span run.Xi, span run.P, span run.GradY, Span gradX, Span gradP, width)
    gradX, gradP

/// The same bits, where any NaN is a NaN.
let private same (expected: float32[]) (actual: float32[]) message =
    let differs a b = BitConverter.SingleToInt32Bits a <> BitConverter.SingleToInt32Bits b && not (Single.IsNaN a && Single.IsNaN b)
    for i in 0 .. expected.Length - 1 do
        if differs expected[i] actual[i] then failtestf "%s: element %d is %.9g, expected %.9g" message i actual[i] expected[i]

/// Whether rounding may put an element on the other side of a kink than the reference.
let private nearKink (spec: NoisyActivationSpec) x xi p c =
    let unit = spec.Unit
    let at = NoisyFunction.Evaluate(spec.WithClipOutput false, x, xi, p, c)
    let room = 1e-4 * (1.0 + abs x)
    let near v t = abs (v - t) < room
    let shifted = x + at.Sigma * (if spec.Noise = NoiseKind.HalfNormal then abs xi else xi)
    (spec.Placement <> NoisePlacement.Output && (near shifted unit.LowerThreshold || near shifted unit.UpperThreshold))
    || (spec.ClipOutput && (near at.Value unit.Lower || near at.Value unit.Upper))

let private againstReference (spec: NoisyActivationSpec) c run =
    let units = run.P.Length
    let y = forward spec c run VectorWidth.Auto
    let gradX, gradP = backward spec c run VectorWidth.Auto
    let sums, sizes = Array.zeroCreate<float> units, Array.zeroCreate<float> units
    let mutable unsure = false
    for i in 0 .. run.X.Length - 1 do
        let x, xi, p, g = float run.X[i], float run.Xi[i], float run.P[i % units], float run.GradY[i]
        let at = NoisyFunction.Evaluate(spec, x, xi, p, c)
        // The largest terms that are added or multiplied on the way.
        let size = 1.0 + abs at.U + (c + at.Sigma) * (1.0 + abs xi) * (1.0 + p * p) * (1.0 + abs at.Gap)
        let close expected actual name =
            Tol.close { Tol.simd32 with Absolute = Tol.simd32.Absolute * size * (1.0 + abs g) } expected (float actual)
                $"{name} of {spec} at x = {x}, xi = {xi}, p = {p}, c = {c}"
        close at.Value y[i] "value"
        if nearKink spec x xi p c then unsure <- true
        else close (g * at.Dx) gradX[i] "slope in x"
        sums[i % units] <- sums[i % units] + g * at.Dp
        sizes[i % units] <- sizes[i % units] + size * (1.0 + abs g)
    if spec.UsesP && not unsure then
        for j in 0 .. units - 1 do
            Tol.close { Tol.simd32 with Absolute = Tol.simd32.Absolute * sizes[j] } sums[j] (float gradP[j]) $"slope in p of {spec}"
    elif not spec.UsesP then
        Expect.all gradP ((=) 0.0f) "untouched"

/// Exponentials of sixteen numbers at a time, and the same less one.
let private exponentials<'V when 'V: struct and 'V :> ILanes<'V> and 'V: (new: unit -> 'V) and 'V :> ValueType> (w: float32[]) =
    let value, minusOne = Array.zeroCreate<float32> w.Length, Array.zeroCreate<float32> w.Length

    for i in 0 .. 'V.Count .. w.Length - 1 do
        let e = Elementary.Exp<'V>('V.Load(&w[i], 0un))
        e.Value.Store(&value[i], 0un)
        e.MinusOne.Store(&minusOne[i], 0un)

    value, minusOne

let private vanishing () =
    let w =
        [| 0f; -0.5f; -86.9f; -87f; MathF.BitDecrement -87f; -87.5f; MathF.BitIncrement -88f; -88f; MathF.BitDecrement -88f; -100f; -1e9f
           Single.MinValue; Single.NegativeInfinity; Single.NaN; -1e-30f; -20f |]

    let value, minusOne = exponentials<Lanes1> w

    for i in 0 .. w.Length - 1 do
        if w[i] < -87f then
            Expect.equal (BitConverter.SingleToInt32Bits value[i]) 0 $"exp of {w[i]:R}"
            Expect.equal minusOne[i] -1f $"exp of {w[i]:R}, less one"
        elif Single.IsNaN w[i] then
            Expect.isTrue (Single.IsNaN value[i] && Single.IsNaN minusOne[i]) "of no number"
        else
            Expect.floatClose { absolute = 0.0; relative = 3e-7 } (float value[i]) (exp (float w[i])) $"exp of {w[i]:R}"

    for name, (wideValue, wideMinusOne) in [ "128", exponentials<Lanes4> w; "256", exponentials<Lanes8> w; "512", exponentials<Lanes16> w ] do
        same value wideValue $"{name} bits"
        same minusOne wideMinusOne $"{name} bits, less one"

let private greatest () =
    let draws = Random 3

    for length in 1..150 do
        for special in [ None; Some Single.NaN; Some Single.PositiveInfinity; Some Single.NegativeInfinity ] do
            for place in List.distinct [ 0; length / 2; length - 1 ] do
                let x = Array.init length (fun _ -> float32 (draws.NextDouble()) - 2f)
                special |> Option.iter (fun value -> x[place] <- value)
                let expected = Array.fold (fun greatest next -> if next > greatest then next else greatest) x[0] x
                use at = fixed x
                let what = $"{length} numbers, {special} at {place}"

                for name, found in
                    [ "1", LaneSums.Max<Lanes1>(at, length)
                      "4", LaneSums.Max<Lanes4>(at, length)
                      "8", LaneSums.Max<Lanes8>(at, length)
                      "16", LaneSums.Max<Lanes16>(at, length) ] do
                    same [| expected |] [| found |] $"{what}, {name} at a time"

let tests =
    testList "span kernels" [
        test "every valid combination agrees with the double reference" {
            let draws = Draws 11UL
            for spec in allSpecs do
                againstReference spec 0.5 (inputs draws 12 7)
        }

        test "every operator agrees with the double reference at large scale, and with one p for all" {
            let draws = Draws 12UL
            for spec in operators do
                againstReference spec 30.0 (inputs draws 5 70)
                againstReference spec 0.5 (inputs draws 400 1)
        }

        property "one element anywhere agrees with the double reference" 2000 (fun (case: Case) ->
            let single (v: float) = [| float32 v |]
            if abs case.X < 1e20 then
                let run = { X = single case.X; Xi = single case.Xi; P = single case.P; GradY = [| 1.0f |] }
                // Thresholds of arbitrary units are rounded to single precision; keep off them, and test exact ones below.
                let unit = case.Spec.Unit
                let near t = abs (float run.X[0] - t) < 1e-4 * (1.0 + abs t)
                if not (near unit.LowerThreshold || near unit.UpperThreshold) then againstReference case.Spec case.C run)

        test "saturation at and beside exact thresholds is decided as in the reference" {
            // A clip has kinks of its own, which rounding may reach from a threshold.
            for spec in operators |> List.filter (fun s -> not s.ClipOutput) do
                let thresholds = [ spec.Unit.LowerThreshold; spec.Unit.UpperThreshold ] |> List.filter Double.IsFinite
                for t in thresholds do
                    for x in [ float32 t; MathF.BitIncrement(float32 t); MathF.BitDecrement(float32 t) ] do
                        let run = { X = [| x |]; Xi = [| 0.0f |]; P = [| 0.5f |]; GradY = [| 1.0f |] }
                        let gradX, _ = backward spec 0.5 run VectorWidth.Auto
                        Tol.close Tol.simd32 (NoisyFunction.Dx(spec, float x, 0.0, 0.5, 0.5)) (float gradX[0]) $"{spec} at {x}"
        }

        test "all lengths, odd starts and widths give the same bits, and nothing beside the output is written" {
            let draws = Draws 13UL
            let n = 256
            let all = inputs draws (n + 8) 1
            for spec in operators do
                let expectedY = forward spec 0.5 all VectorWidth.Scalar
                let expectedX, _ = backward spec 0.5 all VectorWidth.Scalar
                for length in 0..n do
                    let start = length % 7
                    for width in widths do
                        let y, gradX = Array.create (length + 8) 77.0f, Array.create (length + 8) 77.0f
                        SpanKernels.Forward(spec, 0.5, part all.X start length, part all.Xi start length, span all.P, Span<float32>(y, 3, length), width)
                        SpanKernels.Backward(
                            spec, 0.5, part all.X start length, part all.Xi start length, span all.P, part all.GradY start length,
                            Span<float32>(gradX, 3, length), Span<float32>.Empty, width)
                        same expectedY[start .. start + length - 1] y[3 .. length + 2] $"value, {spec}, {width}, length {length}"
                        same expectedX[start .. start + length - 1] gradX[3 .. length + 2] $"slope, {spec}, {width}, length {length}"
                        for beside in [ y; gradX ] do
                            Expect.all (Array.append beside[..2] beside[length + 3 ..]) ((=) 77.0f) "not written"
        }

        test "gradients in p add up in the same order at every width, for any number of units" {
            let draws = Draws 14UL
            for spec in operators |> List.filter (fun s -> s.UsesP) do
                for rows, units in [ 1, 1; 257, 1; 33, 2; 20, 7; 9, 33; 5, 63; 4, 64; 3, 65; 2, 200; 0, 4 ] do
                    let run = inputs draws rows units
                    let _, expected = backward spec 0.5 run VectorWidth.Scalar
                    for width in widths do
                        let _, gradP = backward spec 0.5 run width
                        same expected gradP $"{spec}, {width}, {rows} x {units}"
        }

        test "gradients in p are added to what is there" {
            let run = inputs (Draws 15UL) 6 70
            let _, fresh = backward Variants.Nan.Tanh 0.5 run VectorWidth.Auto
            let gradX, gradP = Array.zeroCreate<float32> run.X.Length, Array.create 70 5.0f
            SpanKernels.Backward(Variants.Nan.Tanh, 0.5, span run.X, span run.Xi, span run.P, span run.GradY, Span gradX, Span gradP)
            for j in 0..69 do Tol.close Tol.simd32 (5.0 + float fresh[j]) (float gradP[j]) $"unit {j}"
        }

        test "outputs may be the spans of the inputs" {
            let run = inputs (Draws 16UL) 9 13
            for spec in operators do
                for width in widths do
                    let y = forward spec 0.5 run width
                    let inPlace = Array.copy run.X
                    SpanKernels.Forward(spec, 0.5, span inPlace, span run.Xi, span run.P, Span inPlace, width)
                    same y inPlace "y is x"
                    let gradX, _ = backward spec 0.5 run width
                    let inPlace = Array.copy run.GradY
                    SpanKernels.Backward(spec, 0.5, span run.X, span run.Xi, span run.P, span inPlace, Span inPlace, Span<float32>.Empty, width)
                    same gradX inPlace "gradX is gradY"
        }

        test "tanh, the sigmoid and their slopes are within a few units in the last place" {
            let x = [| for i in -4000..4000 -> float32 i * 0.02f |] |> Array.append [| 1e-20f; -1e-20f; 1e-5f; -3e-4f; 0.0f; 3e38f; -3e38f; Single.Epsilon |]
            let run = { X = x; Xi = [||]; P = [||]; GradY = Array.create x.Length 1.0f }
            for spec in [ Variants.Soft.Tanh; Variants.Soft.Sigmoid ] do
                let y, (gradX, _) = forward spec 0.0 run VectorWidth.Auto, backward spec 0.0 run VectorWidth.Auto
                for i in 0 .. x.Length - 1 do
                    let at = NoisyFunction.Evaluate(spec, float x[i], 0.0, 0.0, 0.0)
                    Tol.close Tol.elementary32 at.Value (float y[i]) $"{spec.Unit.Soft} at {x[i]}"
                    Tol.close Tol.elementary32 at.Dx (float gradX[i]) $"slope at {x[i]}"
            Expect.equal (1.0f / Array.head (forward Variants.Soft.Tanh 0.0 { run with X = [| -0.0f |]; GradY = [| 1.0f |] } VectorWidth.Auto)) -infinityf "tanh(-0) = -0"
        }

        test "the noise scale keeps its relative precision for tiny gaps" {
            // x = 0 makes the value the noise itself: a unit saturated at 0 with a tiny gap, lower bound 0, no leak.
            let spec = Variants.Nah.Tanh.WithUnit(SaturatingUnit.Relu).WithAlpha(1.0)
            for gap in [ 1e-6; 1e-4; 1e-2; 0.3; 2.0; 30.0 ] do
                let run = { X = [| float32 -gap |]; Xi = [| 1.0f |]; P = [| 0.7f |]; GradY = [| 1.0f |] }
                let expected = NoisyFunction.Value(spec, float run.X[0], 1.0, float run.P[0], 0.5)
                Tol.close { Tol.elementary32 with Relative = 2e-6 } expected (float (Array.head (forward spec 0.5 run VectorWidth.Auto))) $"gap {gap}"
        }

        test "output noise leaves the linear zone of the hard-tanh alone, bit for bit" {
            let x = [| for i in -999..999 -> float32 i / 1000.0f |]
            let run = { X = x; Xi = Array.create x.Length 4.0f; P = [| 3.0f |]; GradY = Array.create x.Length 1.0f }
            for spec in [ Variants.Hard.Tanh; Variants.Nan.Tanh; Variants.Nah.Tanh; Variants.Nanis.Tanh ] do
                for width in widths do
                    same x (forward spec 30.0 run width) $"{spec}"
                    same (Array.create x.Length 1.0f) (fst (backward spec 30.0 run width)) $"{spec}"
        }

        test "huge pre-activations give finite results, NaN gives NaN" {
            for spec in operators do
                for x in [ 1e20f; -1e20f; nanf ] do
                    let run = { X = [| x |]; Xi = [| 0.3f |]; P = [| -0.6f |]; GradY = [| 1.0f |] }
                    for width in widths do
                        let y, (gradX, gradP) = Array.head (forward spec 0.5 run width), backward spec 0.5 run width
                        if Single.IsNaN x then Expect.isTrue (Single.IsNaN y) "NaN"
                        else
                            Expect.isTrue (Single.IsFinite y && Single.IsFinite gradX[0] && Single.IsFinite gradP[0]) $"{spec} at {x}: {y}"
        }

        test "an activation without noise needs neither noise nor p" {
            let y = Array.zeroCreate<float32> 3
            let none = ReadOnlySpan<float32>.Empty
            SpanKernels.Forward(Variants.Hard.Sigmoid, 0.0, span [| -4.0f; 0.0f; 4.0f |], none, none, Span y)
            Expect.equal y [| 0.0f; 0.5f; 1.0f |] "hard-sigmoid"
        }

        test "exponentials vanish below exp(-87) and not before, with the same bits at every width" { vanishing () }
        test "the greatest number is that of one comparison after another, at every width" { greatest () }

        testList "wrong calls" [
            let four, three = Array.zeroCreate<float32> 4, Array.zeroCreate<float32> 3
            let nan = Variants.Nan.Tanh
            let call (spec: NoisyActivationSpec) c (x: float32[]) (noise: float32[]) (p: float32[]) (y: float32[]) () =
                SpanKernels.Forward(spec, c, span x, span noise, span p, Span y)
            for name, expected, action in
                [ "short output", "y has 3 elements: must be 4 (Parameter 'y')", call nan 0.5 four four [| 1.0f |] three
                  "short noise", "noise has 3 elements: must be 4 (Parameter 'noise')", call nan 0.5 four three [| 1.0f |] four
                  "missing p", "this activation has a gap gain, but p is empty (Parameter 'p')", call nan 0.5 four four [||] four
                  "broken rows", "x has 4 elements: must be whole rows of 3, the length of p (Parameter 'x')",
                  call nan 0.5 four four three (Array.zeroCreate 4) ] do
                test name { Tol.throws<ArgumentException> expected action }

            test "partial overlap" {
                let memory = Array.zeroCreate<float32> 10
                Tol.throws<ArgumentException> "y overlaps x partly: must be apart from it or the same (Parameter 'y')" (fun () ->
                    SpanKernels.Forward(
                        Variants.Hard.Tanh, 0.0, ReadOnlySpan<float32>(memory, 0, 8), ReadOnlySpan<float32>.Empty,
                        ReadOnlySpan<float32>.Empty, Span<float32>(memory, 1, 8)))
            }

            test "a bad scale, spec or width" {
                Expect.throwsT<ArgumentOutOfRangeException> (call nan -1.0 four four [| 1.0f |] (Array.zeroCreate 4)) "scale"
                Expect.throwsT<InvalidSpecException> (call (nan.WithAlpha infinity) 0.5 four four [| 1.0f |] (Array.zeroCreate 4)) "spec"
                Expect.throwsT<ArgumentOutOfRangeException> (fun () -> VectorWidths.Resolve(enum<VectorWidth> 7) |> ignore) "width"
                Expect.equal (VectorWidths.Resolve VectorWidth.Auto) VectorWidths.Best "auto"
            }
        ]
    ]
