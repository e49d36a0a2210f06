module Noisy.Tests.NoisyFunctionTests

open System
open Expecto
open Noisy.Core
open Noisy.Tests.Arbitraries
open Noisy.Tests.PaperTables

let private unitOf f = if f = "tanh" then SaturatingUnit.HardTanh else SaturatingUnit.HardSigmoid
let private point (case: Case) = NoisyFunction.Evaluate(case.Spec, case.X, case.Xi, case.P, case.C)
let private isOutput (spec: NoisyActivationSpec) = spec.Placement = NoisePlacement.Output || spec.Noise = NoiseKind.None

let private isOdd (spec: NoisyActivationSpec) =
    // Point-symmetric about (0, u(0)): every noise but the half-normal one at the input, which has a side of its own.
    let u = spec.Unit
    abs (u.LowerThreshold + u.UpperThreshold) < 1e-12
    && (isOutput spec || spec.Noise = NoiseKind.Normal)

/// Central difference of a function of one number.
let private slope f (at: float) =
    let step = 1e-5
    (f (at + step) - f (at - step)) / (2.0 * step)

/// Differences lose digits in proportion to the values that are subtracted.
let private closeSlope (scale: float) expected actual message =
    Tol.close { Tol.difference with Absolute = Tol.difference.Absolute * (1.0 + abs scale) } expected actual message

let tests =
    testList "noisy function" [
        testList "reference values: output noise" [
            for row in output do
                test (String.Join(" ", row[..5])) {
                    let x, p, alpha, c, eps = number row[1], number row[2], number row[3], number row[4], number row[5]
                    for noise in [ NoiseKind.Normal; NoiseKind.HalfNormal ] do
                        let spec = NoisyActivationSpec(unitOf row[0], noise, Alpha = alpha, C = c).Validate()
                        let at = NoisyFunction.Evaluate(spec, x, eps, p)
                        let found = [ at.Gap; at.Sigma; at.SigmaDx; at.SigmaDp; at.Value; at.Dx; at.Dp ]
                        for i, value in List.indexed found do Tol.printed row[6 + i] value $"{noise}, column {6 + i}"
                }
        ]

        testList "reference values: released NANIL" [
            for row in ratioInput do
                test (String.Join(" ", row[..3])) {
                    let x, p, c = number row[1], number row[2], number row[3]
                    let spec = (if row[0] = "tanh" then Variants.NanilReleased.Tanh else Variants.NanilReleased.Sigmoid).WithC c
                    let at = NoisyFunction.Evaluate(spec, x, 0.8, p)
                    Tol.printed row[4] (x + at.Sigma * 0.8) "x + w"
                    Tol.printed row[5] at.Value "h(x + w)"
                    // Midpoint sum of w² over the normal law.
                    let nodes = 200_000
                    let width = 18.0 / float nodes
                    let square xi =
                        let w = NoisyFunction.Evaluate(spec, x, xi, p).Sigma * xi
                        w * w * Normal.Density xi * width
                    let variance = Seq.sum (seq { for i in 0 .. nodes - 1 -> square (-9.0 + (float i + 0.5) * width) })
                    Tol.printed row[7] (sqrt variance) "deviation of w"
                }
        ]

        testList "reference values: the p-free hard-tanh" [
            for row in excess do
                test row[0] {
                    let spec = NoisyActivationSpec(SaturatingUnit.HardTanh, NoiseKind.Normal, Scaling = NoiseScaling.Excess, Alpha = 1.05, C = 0.5)
                    Tol.printed row[1] (NoisyFunction.Evaluate(spec.Validate(), number row[0], 0.3, nan).Sigma) "sigma"
                }
        ]

        property "output noise leaves the linear zone alone: the value is h = u, bit for bit, the slope k" 3000 (fun (case: Case) ->
            if isOutput case.Spec && not case.Spec.UseSoft && not (HardFunctions.IsSaturated(case.Spec.Unit, case.X)) then
                let at = point case
                Expect.equal at.Value (HardFunctions.Linear(case.Spec.Unit, case.X)) "value"
                Expect.equal at.Value at.H "h"
                Expect.equal at.Dx case.Spec.Unit.Slope "slope"
                Expect.equal at.Dp 0.0 "slope in p"
                Expect.equal at.Sigma 0.0 "sigma")

        property "noise at the input when saturated leaves the linear zone alone" 2000 (fun (case: Case) ->
            let spec = Variants.Nanis.Tanh.WithUnit(case.Spec.Unit)
            if not (HardFunctions.IsSaturated(spec.Unit, case.X)) then
                let at = NoisyFunction.Evaluate(spec, case.X, case.Xi, case.P, case.C)
                Expect.equal (at.Value, at.Dx) (HardFunctions.Linear(spec.Unit, case.X), spec.Unit.Slope) "h and its slope")

        property "sigma is even in p, lies in [0, c/4], and its slopes obey their bounds" 3000 (fun (case: Case) ->
            let spec = Variants.Nan.Tanh.WithUnit(case.Spec.Unit)
            let at = NoisyFunction.Evaluate(spec, case.X, case.Xi, case.P, case.C)
            let mirrored = NoisyFunction.Evaluate(spec, case.X, case.Xi, -case.P, case.C)
            Expect.equal (mirrored.Sigma, mirrored.SigmaDx, mirrored.SigmaDp) (at.Sigma, at.SigmaDx, -at.SigmaDp) "p and -p"
            Expect.equal (mirrored.Value, mirrored.Dx, mirrored.Dp) (at.Value, at.Dx, -at.Dp) "p and -p"
            Expect.isTrue (at.Sigma >= 0.0 && at.Sigma <= case.C / 4.0) "range"
            let bound = case.C / (6.0 * sqrt 3.0) * (1.0 + 1e-12) // (c/4) max tanh sech², 2 / (3 √3)
            Tol.atMost (abs at.SigmaDx) (bound * abs case.P * spec.Unit.Slope) "slope in x"
            Tol.atMost (abs at.SigmaDp) (bound * abs at.Gap) "slope in p")

        test "p = 0 is a stationary point without noise" {
            for spec in [ Variants.Nan.Tanh; Variants.Nah.Sigmoid; Variants.Nanil.Tanh ] do
                let at = NoisyFunction.Evaluate(spec, 5.0, 1.7, 0.0, 30.0)
                Expect.equal (at.Sigma, at.SigmaDx, at.SigmaDp, at.Dp) (0.0, 0.0, 0.0, 0.0) "still"
        }

        property "NANIL with little noise is the hard function, whatever is drawn" 2000 (fun (case: Case) ->
            // (c/4) tanh²(|pΔ|/2) ≤ 0.0729 c |p Δ|: no draw below 13.7 / (c |p|) reaches back over a threshold.
            for spec, hard in [ Variants.Nanil.Tanh, Variants.Hard.Tanh; Variants.Nanil.Sigmoid, Variants.Hard.Sigmoid ] do
                let p, xi = 4.0 * tanh case.P, 6.0 * tanh case.Xi
                let at, still = NoisyFunction.Evaluate(spec, case.X, xi, p, spec.C), NoisyFunction.Evaluate(hard, case.X, xi, p, 0.0)
                Expect.equal (at.Value, at.Dx, at.Dp) (still.Value, still.Dx, 0.0) "hard")

        property "the authors' output noise is ours, with normal noise at α > 1 that of −ξ (decision 30)" 500 (fun (case: Case) ->
            for unit, noise, alpha in [ for u in [ "tanh"; "sigmoid" ] do
                                            for n in [ NoiseKind.Normal; NoiseKind.HalfNormal ] do
                                                for a in [ 0.9; 1.0; 1.15 ] -> unitOf u, n, a ] do
                let spec = NoisyActivationSpec(unit, noise, Alpha = alpha, C = 0.5).Validate()
                let h, u = HardFunctions.Hard(unit, case.X), HardFunctions.Linear(unit, case.X)
                let s = 0.5 * (1.0 / (1.0 + exp (-case.P * (h - u))) - 0.5) ** 2.0
                let half = noise = NoiseKind.HalfNormal
                let s = if half && alpha > 1.0 then -s else s
                let authors = alpha * h + (1.0 - alpha) * u - float (sign case.X) * s * (if half then abs case.Xi else case.Xi)
                let xi = if alpha > 1.0 then -case.Xi else case.Xi
                let scale = (1.0 + abs u) * (1.0 + abs case.P)
                Tol.close { Tol.scalar with Absolute = Tol.scalar.Absolute * scale } authors (NoisyFunction.Evaluate(spec, case.X, xi, case.P).Value) $"{spec}")
        property "the authors' NANIL with half-normal noise is the mirror image of ours (decision 31)" 500 (fun (case: Case) ->
            let spec = NoisyActivationSpec(SaturatingUnit.HardTanh, NoiseKind.HalfNormal, NoisePlacement.Input, NoiseScaling.Ratio, C = 0.25).Validate()
            let gap = abs (HardFunctions.Gap(spec.Unit, case.X))
            let ratio = case.P * gap / (abs case.Xi + 1e-10)
            let softplus = max ratio 0.0 + Math.Log(1.0 + exp (-(abs ratio)))
            let authors = HardFunctions.Hard(spec.Unit, case.X - 0.25 * softplus * abs case.Xi)
            let scale = 1.0 + abs case.X + 0.25 * softplus * abs case.Xi
            Tol.close { Tol.scalar with Absolute = 10.0 * Tol.scalar.Absolute * scale } authors (-NoisyFunction.Evaluate(spec, -case.X, case.Xi, case.P).Value) "value")
        property "symmetric units are point-symmetric" 3000 (fun (case: Case) ->
            if isOdd case.Spec && not case.Spec.UseSoft then
                let centre = 2.0 * case.Spec.Unit.Offset
                let xi = if isOutput case.Spec then case.Xi else -case.Xi
                let at = point case
                let mirrored = NoisyFunction.Evaluate(case.Spec, -case.X, xi, case.P, case.C)
                let scale = 1.0 + abs at.Value + abs at.U
                Tol.close { Tol.scalar with Absolute = 1e-13 * scale } (centre - at.Value) mirrored.Value "value"
                // Units whose thresholds are rounded may decide differently within that rounding of a kink.
                let rounded t = abs (abs case.X - t) < 1e-12 || abs (abs (case.X + at.Sigma * case.Xi) - t) < 1e-12
                if not (rounded case.Spec.Unit.UpperThreshold) then Tol.close { Tol.scalar with Relative = 1e-9 } at.Dx mirrored.Dx "slope")

        property "slopes agree with central differences" 4000 (fun (SmoothCase case) ->
            let at = point case
            let value x p = NoisyFunction.Value(case.Spec, x, case.Xi, p, case.C)
            let curvature = (1.0 + case.C) * (1.0 + case.P * case.P) * (1.0 + abs case.Xi)
            closeSlope curvature (slope (fun x -> value x case.P) case.X) at.Dx "in x"
            if case.Spec.UsesP && (case.Spec.Scaling = NoiseScaling.Gap || abs case.Xi > 0.1) then
                closeSlope curvature (slope (fun p -> value case.X p) case.P) at.Dp "in p"
            if case.Spec.Scaling <> NoiseScaling.Ratio then
                let sigma x p = NoisyFunction.Evaluate(case.Spec, x, case.Xi, p, case.C).Sigma
                closeSlope curvature (slope (fun x -> sigma x case.P) case.X) at.SigmaDx "sigma in x"
                closeSlope curvature (slope (fun p -> sigma case.X p) case.P) at.SigmaDp "sigma in p")

        property "half-normal noise never reads the sign of the draw" 1000 (fun (case: Case) ->
            if case.Spec.Noise = NoiseKind.HalfNormal then
                Expect.equal (NoisyFunction.Evaluate(case.Spec, case.X, -case.Xi, case.P, case.C)) (point case) "same point")

        property "half-normal output noise points from the leaked mean towards h" 3000 (fun (case: Case) ->
            let spec = Variants.Nah.Tanh.WithUnit(case.Spec.Unit).WithAlpha(case.Spec.Alpha)
            let at = NoisyFunction.Evaluate(spec, case.X, case.Xi, case.P, case.C)
            let leaked = NoisyFunction.Value(spec, case.X, 0.0, case.P, case.C)
            let noise = at.Value - leaked
            if abs case.X < 1e6 && abs noise > 1e-12 then
                let inward = float (sign at.Gap)
                if spec.Alpha > 1.0 then Expect.equal (float (sign noise)) -inward "outward, back to h"
                else Expect.equal (float (sign noise)) inward "inward, back to h")

        test "at alpha = 1 the literal rule is silent and the published one pushes inward" {
            let spec = Variants.Nah.Tanh.WithAlpha 1.0
            Tol.below (NoisyFunction.Value(spec, 3.0, 1.0, 1.0, 0.5)) 1.0 "inward"
            let silent = NoisyFunction.Evaluate(spec.WithAlphaOne AlphaOneRule.Silent, 3.0, 1.0, 1.0, 0.5)
            Expect.equal (silent.Value, silent.Dx, silent.Dp) (1.0, 0.0, 0.0) "silent"
        }

        test "values of the published figure of the leak: half-normal, c = 0.5, near x = 4" {
            let band alpha =
                let spec = Variants.Nah.Tanh.WithAlpha(alpha)
                [ 0.0; 3.0 ] |> List.map (fun xi -> NoisyFunction.Value(spec, 4.0, xi, 1.0, 0.5)) |> List.sort
            for alpha, low, high in [ 0.9, 1.0, 1.31; 1.0, 0.68, 1.01; 1.1, 0.69, 1.02; 1.2, 0.39, 0.86 ] do
                match band alpha with
                | [ least; most ] ->
                    Tol.atLeast (least + 0.01) low $"alpha {alpha}: {least}"
                    Tol.atMost (most - 0.01) high $"alpha {alpha}: {most}"
                | _ -> failtest "two values"
        }

        property "a final clip keeps the output in bounds and changes nothing within them" 3000 (fun (case: Case) ->
            let unit = case.Spec.Unit
            let clipped = NoisyFunction.Evaluate(case.Spec.WithClipOutput true, case.X, case.Xi, case.P, case.C)
            let free = NoisyFunction.Evaluate(case.Spec.WithClipOutput false, case.X, case.Xi, case.P, case.C)
            if not case.Spec.UseSoft then
                // u itself may round past a bound, one unit in the last place inside a rounded threshold.
                Tol.close Tol.scalar (Math.Clamp(clipped.Value, unit.Lower, unit.Upper)) clipped.Value "in bounds"
            if free.Value > unit.Lower && free.Value < unit.Upper then Expect.equal clipped free "the same"
            elif HardFunctions.IsSaturated(unit, case.X) && (free.Value < unit.Lower || free.Value > unit.Upper) then
                Expect.equal (clipped.Dx, clipped.Dp) (0.0, 0.0) "flat")

        property "input noise is h at a shifted place" 3000 (fun (case: Case) ->
            if not (isOutput case.Spec) then
                let at = point case
                let epsilon = if case.Spec.Noise = NoiseKind.HalfNormal then abs case.Xi else case.Xi
                Expect.equal at.Value (HardFunctions.Hard(case.Spec.Unit, case.X + at.Sigma * epsilon)) "value")

        property "without noise scale every noise is gone" 2000 (fun (case: Case) ->
            let at = NoisyFunction.Evaluate(case.Spec, case.X, case.Xi, case.P, 0.0)
            let plain = NoisyFunction.Evaluate(case.Spec.WithNoise NoiseKind.None, case.X, case.Xi, case.P, 0.0)
            Expect.equal (at.Value, at.Dx) (plain.Value, plain.Dx) "plain"
            Expect.equal at.Dp 0.0 "p has no effect")

        property "nothing but a NaN gives a NaN" 3000 (fun (case: Case) ->
            let at = point case
            for v in [ at.H; at.U; at.Gap; at.Sigma; at.SigmaDx; at.SigmaDp; at.Value; at.Dx; at.Dp ] do
                Expect.isFalse (Double.IsNaN v) $"{at}"
            Expect.isTrue (Double.IsNaN(NoisyFunction.Value(case.Spec, nan, case.Xi, case.P, case.C))) "NaN in, NaN out")

        test "at infinity every variant has its limit" {
            for spec in variants do
                for x in [ infinity; -infinity ] do
                    let at = NoisyFunction.Evaluate(spec, x, 0.5, 0.7, 0.5)
                    Expect.isFalse (Double.IsNaN at.Value || Double.IsNaN at.Dx || Double.IsNaN at.Dp) $"{spec} at {x}: {at}"
            Expect.equal (NoisyFunction.Value(Variants.Soft.Tanh, infinity, 0.0, 1.0, 0.0)) 1.0 "soft"
            Expect.equal (NoisyFunction.Value(Variants.Nan.Tanh.WithAlpha 1.0, infinity, 2.0, 1.0, 0.4)) 0.8 "hi - (c/4) eps"
        }

        test "the soft reference is tanh or the logistic sigmoid, with its slope" {
            for x in [ -3.0; -0.2; 0.0; 1.0; 2.5 ] do
                let tanh = NoisyFunction.Evaluate(Variants.Soft.Tanh, x, 9.0, 9.0, 9.0)
                Expect.equal (tanh.Value, tanh.Dp) (Math.Tanh x, 0.0) "tanh"
                Tol.close Tol.scalar (1.0 - Math.Tanh x ** 2.0) tanh.Dx "its slope"
                let sigmoid = NoisyFunction.Evaluate(Variants.Soft.Sigmoid, x, 9.0, 9.0, 9.0)
                Tol.close Tol.scalar (1.0 / (1.0 + exp -x)) sigmoid.Value "sigmoid"
                Tol.close Tol.scalar (sigmoid.Value * (1.0 - sigmoid.Value)) sigmoid.Dx "its slope"
        }

        test "a noise scale out of range is refused" {
            for c in [ -1e-9; nan; infinity ] do
                Expect.throwsT<ArgumentOutOfRangeException> (fun () -> NoisyFunction.Value(Variants.Nan.Tanh, 2.0, 0.1, 1.0, c) |> ignore) $"{c}"
                Expect.throwsT<ArgumentOutOfRangeException> (fun () -> NoisyMoments.Mean(Variants.Nan.Tanh, 2.0, 1.0, c) |> ignore) $"{c}"
        }

        test "the spec's own scale is the default" {
            let at = NoisyFunction.Evaluate(Variants.Nan.Tanh, 2.0, 1.2, 1.0)
            Expect.equal at (NoisyFunction.Evaluate(Variants.Nan.Tanh, 2.0, 1.2, 1.0, 0.5)) "c = 0.5"
        }
    ]
