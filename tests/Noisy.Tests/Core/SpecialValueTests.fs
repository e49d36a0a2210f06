/// Infinities, NaN, huge and tiny pre-activations: the double reference says what is right.
module Noisy.Tests.SpecialValueTests

open System
open Expecto
open Noisy.Core
open Noisy.Tests.Arbitraries

/// Pre-activations in single precision.
let specials =
    [ infinityf; -infinityf; nanf; 1e30f; -1e30f; Single.MaxValue; Single.MinValue; Single.Epsilon; -Single.Epsilon; 1e-40f; -1e-40f; 0.0f; -0.0f ]

/// Draws and gap gains to go with them.
let private draws, private gains = [ 0.0f; 0.3f; -1.7f; 1.1f ], [ 0.7f; -0.6f; 0.0f; 0.9f ]

/// Fails unless a number of single precision is the reference's.
let closeTo (expected: float) (actual: float) (where: unit -> string) =
    let rounded = float (float32 expected)
    if not (Tol.agree Tol.simd32 rounded actual) then Tol.close Tol.simd32 rounded actual (where ())

let private span (a: float32[]) = ReadOnlySpan<float32>(a)
let private widths = [ VectorWidth.Scalar; VectorWidth.Bits128; VectorWidth.Bits256; VectorWidth.Bits512 ]

let tests =
    testList "special values" [
        test "kernels give the reference's values and slopes at infinities, NaN, huge and tiny numbers, at every width" {
            let points = [| for x in specials do for xi in draws do for p in gains -> x, xi, p |]
            let x, xi, p = Array.map (fun (x, _, _) -> x) points, Array.map (fun (_, xi, _) -> xi) points, Array.map (fun (_, _, p) -> p) points
            let ones = Array.create points.Length 1.0f
            for spec in allSpecs do
                // The clip of a single-precision number that is all but on a bound is a matter of rounding.
                let unsure x = spec.ClipOutput && x <> 0.0f && abs x < 1e-37f
                // Where u itself is beyond single precision, so is what is made of it.
                let beyond (x: float32) = Single.IsFinite x && Single.IsInfinity(float32 spec.Unit.Slope * x)
                for c in [ 0.0; 0.5; 30.0 ] do
                    let expected = points |> Array.map (fun (x, xi, p) -> NoisyFunction.Evaluate(spec, float x, float xi, float p, c))
                    for width in widths do
                        let empty () = Array.zeroCreate<float32> points.Length
                        let y, gradX, gradP = empty (), empty (), empty ()
                        SpanKernels.Forward(spec, c, span x, span xi, span p, Span y, width)
                        SpanKernels.Backward(spec, c, span x, span xi, span p, span ones, Span gradX, Span gradP, width)
                        for i in List.filter (fun i -> not (beyond x[i])) [ 0 .. points.Length - 1 ] do
                            let where name () = $"{name} of {spec} at x = {x[i]}, xi = {xi[i]}, p = {p[i]}, c = {c}, {width}"
                            closeTo expected[i].Value (float y[i]) (where "value")
                            if not (unsure x[i]) then
                                closeTo expected[i].Dx (float gradX[i]) (where "slope in x")
                                closeTo (if spec.UsesP then expected[i].Dp else 0.0) (float gradP[i]) (where "slope in p")
        }

        test "the reference has the limit at an infinity" {
            for spec in allSpecs do
                for sign in [ 1.0; -1.0 ] do
                    for xi in draws do
                        let value x = NoisyFunction.Value(spec, x, float xi, 0.7, 0.5)
                        let far, limit = value (sign * 1e200), value (sign * infinity)
                        if abs far > 1e100 then Expect.equal limit (float (Math.Sign far) * infinity) $"{spec}: grows"
                        else Tol.close Tol.scalar far limit $"{spec} at {sign} infinity, xi = {xi}"
        }

        test "NaN gives NaN, of the slopes of the linear zone" {
            for spec in allSpecs do
                let at = NoisyFunction.Evaluate(spec, nan, 0.3, 0.7, 0.5)
                Expect.isTrue (Double.IsNaN at.Value) $"{spec}"
                if not spec.UseSoft then Expect.equal (at.Dx, at.Dp) (spec.Unit.Slope, 0.0) $"{spec}"
        }

        test "nothing passes a stuck unit, whatever gradient arrives" {
            for spec in [ Variants.Hard.Tanh; Variants.Hard.Sigmoid; Variants.Nani.Tanh; Variants.Nanis.Sigmoid; Variants.Nanil.Tanh ] do
                for arriving in [ nanf; infinityf; -infinityf ] do
                    let gradX, gradP = [| 1.0f |], [| 0.0f |]
                    SpanKernels.Backward(
                        spec, 0.01, span [| 9.0f |], span [| 0.5f |], span [| 0.5f |], span [| arriving |], Span gradX, Span gradP)
                    Expect.equal (gradX[0], gradP[0]) (0.0f, 0.0f) $"{spec}, {arriving}"
        }
    ]
