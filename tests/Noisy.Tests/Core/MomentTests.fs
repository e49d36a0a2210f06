module Noisy.Tests.MomentTests

open System
open Expecto
open Noisy.Core
open Noisy.Tests.Arbitraries
open Noisy.Tests.PaperTables

let private unitOf f = if f = "tanh" then SaturatingUnit.HardTanh else SaturatingUnit.HardSigmoid
let private moments (case: Case) = NoisyMoments.Evaluate(case.Spec, case.X, case.P, case.C)
let private isOutput (spec: NoisyActivationSpec) = spec.Placement = NoisePlacement.Output || spec.Noise = NoiseKind.None

/// Numerical slopes, each of two central differences, so combined that the error of their third derivatives cancels. Some expectations bend so
/// sharply that only the shorter step is right, and where they are large only the longer one, whose cancellation is less.
let private slopes f (at: float) =
    let central h = (f (at + h) - f (at - h)) / (2.0 * h)
    [ for h in [ 1e-5; 1e-6 ] -> (4.0 * central h - central (2.0 * h)) / 3.0 ]

/// Places that matter, for one unit.
let private probes (unit: SaturatingUnit) =
    [ unit.LowerThreshold; unit.UpperThreshold ]
    |> List.filter Double.IsFinite
    |> List.collect (fun t -> [ t - 2.1; t - 0.3; t; t + 0.25; t + 1.7 ])

/// Sample means of value, square deviation and slopes against the closed forms. By Bernstein's inequality a mean of n draws
/// with deviation s and range b is off by more than 5 s/√n + 25 b/(3 n) with probability below 8e-6.
let private sample (draws: Draws) (spec: NoisyActivationSpec) x p c n =
    let exact = NoisyMoments.Evaluate(spec, x, p, c)
    let sums = Array.zeroCreate<float> 8
    let mutable range = 0.0
    for _ in 1..n do
        let at = NoisyFunction.Evaluate(spec, x, draws.Normal(), p, c)
        let off = at.Value - exact.Mean
        let parts = [| at.Value - exact.Mean; off * off; at.Dx; at.Dp |]
        for i in 0..3 do
            sums[i] <- sums[i] + parts[i]
            sums[4 + i] <- sums[4 + i] + parts[i] * parts[i]
            range <- max range (abs parts[i])
    let count = float n
    let expected = [ 0.0; exact.Variance; exact.MeanDx; exact.MeanDp ]
    for i, name in List.indexed [ "mean"; "variance"; "slope in x"; "slope in p" ] do
        let mean = sums[i] / count
        let deviation = sqrt (max 0.0 (sums[4 + i] / count - mean * mean))
        let allowed = 5.0 * deviation / sqrt count + 25.0 / 3.0 * (range + 2.0) / count + 1e-12
        if not (abs (mean - expected[i]) <= allowed) then
            failtestf "%s of %O at x = %g, p = %g, c = %g: %g, sampled %g, allowed %g" name spec x p c expected[i] mean allowed

let tests =
    testList "moments" [
        testList "reference values: output noise" [
            for row in output do
                test (String.Join(" ", row[..4])) {
                    for noise, column in [ NoiseKind.Normal, 13; NoiseKind.HalfNormal, 15 ] do
                        let spec = NoisyActivationSpec(unitOf row[0], noise, Alpha = number row[3], C = number row[4]).Validate()
                        let found = NoisyMoments.Evaluate(spec, number row[1], number row[2])
                        Tol.printed row[column] found.Mean $"{noise} mean"
                        Tol.printed row[column + 1] found.Variance $"{noise} variance"
                }
        ]

        testList "reference values: input noise of fixed deviation" [
            for row in fixedInput do
                test (String.Join(" ", row[..2])) {
                    let pair = if row[0] = "tanh" then Variants.Nani.Tanh, Variants.Nanis.Tanh else Variants.Nani.Sigmoid, Variants.Nanis.Sigmoid
                    let x, sigma = number row[1], number row[2]
                    let check (spec: NoisyActivationSpec) =
                        let found = NoisyMoments.Evaluate(spec, x, nan, sigma)
                        Tol.printed row[3] (NoisyMoments.PlugIn(spec, x, nan, sigma)) "h"
                        Tol.printed row[4] found.Mean "mean"
                        Tol.printed row[5] found.Variance "variance"
                        Tol.printed row[6] found.MeanDx "slope in x"
                        Tol.printed row[7] found.MeanDc "slope in sigma"
                    check (fst pair)
                    if HardFunctions.IsSaturated(unitOf row[0], x) then check (snd pair)
                }
        ]

        testList "reference values: input noise of learned deviation" [
            for row in gapInput do
                test (String.Join(" ", row[..3])) {
                    let spec = if row[0] = "tanh" then Variants.Nanil.Tanh else Variants.Nanil.Sigmoid
                    let x, p, c = number row[1], number row[2], number row[3]
                    let found = NoisyMoments.Evaluate(spec, x, p, c)
                    Tol.printed row[4] (NoisyFunction.Evaluate(spec, x, 0.0, p, c).Sigma) "sigma"
                    Tol.printed row[5] found.Mean "mean"
                    Tol.printed row[6] found.MeanDx "slope in x"
                    Tol.printed row[7] found.MeanDp "slope in p"
                }
        ]

        testList "reference values: released NANIL" [
            for row in ratioInput do
                test (String.Join(" ", row[..3])) {
                    let spec = if row[0] = "tanh" then Variants.NanilReleased.Tanh else Variants.NanilReleased.Sigmoid
                    Tol.printed row[6] (NoisyMoments.Mean(spec, number row[1], number row[2], number row[3])) "mean"
                }
        ]

        testList "reference values: clipped output" [
            for row in clipped do
                test (String.Join(" ", row[..4])) {
                    let x, p, c = number row[1], number row[2], number row[4]
                    for noise, column in [ NoiseKind.Normal, 7; NoiseKind.HalfNormal, 8 ] do
                        let free = NoisyActivationSpec(unitOf row[0], noise, Alpha = number row[3], C = c)
                        Tol.printed row[5] (NoisyFunction.Value(free, x, 0.0, p, c)) "m"
                        Tol.printed row[6] (NoisyFunction.Evaluate(free, x, 0.0, p, c).Sigma) "sigma"
                        Tol.printed row[column] (NoisyMoments.Mean(free.WithClipOutput true, x, p, c)) $"{noise} mean"
                }
        ]

        testList "reference values: half-normal input noise" [
            for row in halfNormalInput do
                test (String.Join(" ", row[..2])) {
                    let unit, x, sigma = unitOf row[0], number row[1], number row[2]
                    let spec = Variants.Nani.Tanh.WithUnit(unit).WithNoise(NoiseKind.HalfNormal)
                    // A negative deviation is the mirrored unit with a positive one.
                    let mean =
                        if sigma > 0.0 then NoisyMoments.Mean(spec, x, nan, sigma)
                        else 2.0 * unit.Offset - NoisyMoments.Mean(spec, -x, nan, -sigma)
                    Tol.printed row[3] mean "mean"
                }
        ]

        testList "reference values: the p-free hard-tanh" [
            for row in excess do
                test row[0] {
                    let spec = NoisyActivationSpec(SaturatingUnit.HardTanh, NoiseKind.HalfNormal, Scaling = NoiseScaling.Excess, Alpha = 1.05, C = 0.5)
                    Tol.printed row[2] (NoisyMoments.Evaluate(spec, number row[0], nan).Mean) "half-normal"
                    Tol.printed row[3] (NoisyMoments.Evaluate(spec.WithNoise NoiseKind.Normal, number row[0], nan).Mean) "normal"
                }
        ]

        test "every valid combination agrees with draws" {
            let draws = Draws 20160403UL
            for spec in allSpecs do
                for x in probes spec.Unit do
                    sample draws spec x 0.8 0.7 1_000
        }

        test "every variant agrees with many draws at small and large scale" {
            let draws = Draws 1603391UL
            for spec in variants do
                for x in [ -3.2; spec.Unit.LowerThreshold; 0.4; 2.6 ] do
                    for p, c in [ 0.8, 0.5; -1.0, 30.0 ] do
                        sample draws spec x p c 20_000
        }

        property "the expected slopes are the slopes of the expectation" 1500 (fun (SmoothCase case) ->
            // NANIS jumps at its thresholds, so only away from them; the others are smooth in x wherever sigma is not tiny.
            let found = moments case
            let sigma = NoisyFunction.Evaluate(case.Spec, case.X, 1.0, case.P, case.C).Sigma
            if isOutput case.Spec && not case.Spec.ClipOutput || sigma > 0.05 then
                let scale = (1.0 + case.C) * (1.0 + case.P * case.P) / min 1.0 (sigma * sigma + (if isOutput case.Spec then 1.0 else 0.0))
                let close numerical found name =
                    let nearest: float = numerical |> List.minBy (fun slope -> abs (slope - found))
                    Tol.close { Tol.difference with Absolute = Tol.difference.Absolute * (1.0 + scale) } nearest found name
                let mean x p c = NoisyMoments.Mean(case.Spec, x, p, c)
                close (slopes (fun x -> mean x case.P case.C) case.X) found.MeanDx "in x"
                if case.Spec.UsesP then close (slopes (fun p -> mean case.X p case.C) case.P) found.MeanDp "in p"
                if case.C > 1e-3 then close (slopes (fun c -> mean case.X case.P c) case.C) found.MeanDc "in c")

        property "normal output noise is unbiased exactly where alpha is 1 or the unit is not saturated" 3000 (fun (case: Case) ->
            let spec = Variants.Nan.Tanh.WithUnit(case.Spec.Unit).WithAlpha(case.Spec.Alpha)
            let gap = HardFunctions.Gap(spec.Unit, case.X)
            let h = HardFunctions.Hard(spec.Unit, case.X)
            let bias = NoisyMoments.Mean(spec, case.X, case.P, case.C) - h
            let expected = -(1.0 - spec.Alpha) * gap
            Tol.close { Tol.scalar with Absolute = 1e-14 * (1.0 + abs gap + abs h) } expected bias "bias"
            if spec.Alpha = 1.0 || gap = 0.0 then Expect.equal bias 0.0 "unbiased, bit for bit")

        property "half-normal output noise has the bias |1 - alpha| |gap| - M sigma, outward for alpha below 1" 3000 (fun (case: Case) ->
            let spec = Variants.Nah.Tanh.WithUnit(case.Spec.Unit).WithAlpha(case.Spec.Alpha)
            let gap = HardFunctions.Gap(spec.Unit, case.X)
            if case.Spec.Alpha <> 1.0 && abs gap < 1e6 then
                let sigma = NoisyFunction.Evaluate(spec, case.X, 0.0, case.P, case.C).Sigma
                let bias = NoisyMoments.Mean(spec, case.X, case.P, case.C) - HardFunctions.Hard(spec.Unit, case.X)
                let outward = -(float (sign gap)) * float (sign (1.0 - spec.Alpha))
                let expected = outward * (abs (1.0 - spec.Alpha) * abs gap - NoisyMoments.HalfNormalMean * sigma)
                Tol.close { Tol.scalar with Absolute = 1e-13 * (1.0 + abs gap) } expected bias "bias")

        test "half-normal bias by hand: tanh, c 0.5, p 1, at x = 1.5, 2, 3, 5" {
            for alpha, biases in
                [ 0.9, [ 0.04402; 0.07870; 0.14215; 0.30731 ]
                  1.05, [ -0.01902; -0.02870; -0.04215; -0.10731 ]
                  1.15, [ -0.06902; -0.12870; -0.24215; -0.50731 ] ] do
                for x, expected in List.zip [ 1.5; 2.0; 3.0; 5.0 ] biases do
                    let bias = NoisyMoments.Mean(Variants.Nah.Tanh.WithAlpha alpha, x, 1.0, 0.5) - 1.0
                    Expect.equal (Math.Round(bias, 5)) expected $"alpha {alpha}, x {x}"
        }

        test "half-normal noise reaches h beyond the threshold only if |1 - alpha| is at most 0.0581 c |p|" {
            // The greatest M sigma / |gap|, over the gap.
            let best p c =
                Seq.max (seq { for i in 1..4000 ->
                                   let x = 1.0 + 0.005 * float i
                                   let at = NoisyFunction.Evaluate(Variants.Nah.Tanh, x, 0.0, p, c)
                                   NoisyMoments.HalfNormalMean * at.Sigma / abs at.Gap })
            for p, c in [ 1.0, 0.5; 0.7, 30.0; -2.0, 0.15 ] do
                Tol.below (abs (best p c / (0.0581042385 * c * abs p) - 1.0)) 1e-4 $"p {p}, c {c}"
        }

        property "the mean is the plug-in value for unclipped output noise, and h for plug-in normal input noise" 3000 (fun (case: Case) ->
            let plugIn = NoisyMoments.PlugIn(case.Spec, case.X, case.P, case.C)
            if isOutput case.Spec && not case.Spec.ClipOutput then
                Tol.close Tol.scalar (moments case).Mean plugIn "affine in the noise"
            elif not (isOutput case.Spec) && case.Spec.Noise = NoiseKind.Normal then
                Expect.equal plugIn (HardFunctions.Hard(case.Spec.Unit, case.X)) "h")

        property "the expected slope at fixed input noise lies between 0 and k, with input noise the mean in bounds" 3000 (fun (case: Case) ->
            if not (isOutput case.Spec) then
                let unit, found = case.Spec.Unit, moments case
                // u itself may round past a bound, one unit in the last place inside a rounded threshold.
                Tol.close Tol.scalar (Math.Clamp(found.Mean, unit.Lower, unit.Upper)) found.Mean $"{found}"
                if case.Spec.Scaling = NoiseScaling.Constant then
                    Expect.isTrue (found.MeanDx >= 0.0 && found.MeanDx <= unit.Slope * (1.0 + 1e-12)) $"{found}"
                if Double.IsFinite(unit.Upper - unit.Lower) then
                    Tol.atMost found.Variance ((unit.Upper - unit.Lower) ** 2.0 / 4.0 * (1.0 + 1e-9)) "variance")

        property "the expected gradient of a saturated unit is that of the leak, and half-normal noise turns it back" 3000 (fun (case: Case) ->
            let unit = case.Spec.Unit
            if HardFunctions.IsSaturated(unit, case.X) then
                let normal = NoisyMoments.Evaluate(Variants.Nan.Tanh.WithUnit(unit).WithAlpha(case.Spec.Alpha), case.X, case.P, case.C)
                Tol.close Tol.scalar ((1.0 - case.Spec.Alpha) * unit.Slope) normal.MeanDx "normal: the leak alone"
                let half = NoisyMoments.Evaluate(Variants.Nah.Tanh.WithUnit(unit).WithAlpha(case.Spec.Alpha), case.X, case.P, case.C)
                // Inward noise (alpha at most 1) lowers the slope, outward noise raises it.
                let turn = half.MeanDx - normal.MeanDx
                if case.Spec.Alpha > 1.0 then Tol.atLeast turn -1e-15 "outward"
                else Tol.atMost turn 1e-15 "inward")

        property "moments are finite, variances not negative, and none vary without noise" 3000 (fun (case: Case) ->
            let found = moments case
            for v in [ found.Mean; found.Variance; found.MeanDx; found.MeanDp; found.MeanDc ] do
                Expect.isTrue (Double.IsFinite v) $"{found}"
            Tol.atLeast found.Variance 0.0 "variance"
            if case.Spec.Noise = NoiseKind.None || case.C = 0.0 then
                let plain = NoisyFunction.Evaluate(case.Spec, case.X, 0.0, case.P, case.C)
                Expect.equal (found.Mean, found.Variance, found.MeanDx) (plain.Value, 0.0, plain.Dx) "the function itself")

        test "beyond an open side, at infinity too, input noise passes the slope, and so it does for NaN" {
            let spec = Variants.Nani.Tanh.WithUnit SaturatingUnit.Relu
            for x in [ infinity; nan; 7.0 ] do
                Expect.equal (NoisyMoments.Evaluate(spec, x, 1.0, 0.5).MeanDx > 1.0 - 1e-12) true $"mean slope at {x}"
                Expect.equal (NoisyFunction.Evaluate(spec, x, 1.0, 1.0, 0.5).Dx) 1.0 $"slope of a draw at {x}"
            Expect.equal (NoisyMoments.Evaluate(spec, -infinity, 1.0, 0.5).MeanDx) 0.0 "on the closed side"
        }

        test "fixed input noise lowers the mean at the upper threshold by k sigma / sqrt(2 pi)" {
            for sigma in [ 0.01; 0.1; 0.25 ] do
                let drop = 1.0 - NoisyMoments.Mean(Variants.Nanis.Tanh, 1.0, nan, sigma)
                Tol.close Tol.quadrature (sigma * Normal.Density 0.0) drop $"sigma {sigma}"
                Expect.equal (NoisyMoments.Mean(Variants.Nanis.Tanh, Math.BitDecrement 1.0, nan, sigma)) (Math.BitDecrement 1.0) "inside"
        }

        test "a very large noise scale loses no digits: the law of the two bounds" {
            for t in [ 1e3; 1e6; 1e9 ] do
                let found = NoisyMoments.Evaluate(Variants.Nani.Tanh, 0.5, nan, t)
                // Mean to first order in 1/t: both tails are nearly a half, the middle has mass 2 n(0) / t.
                Tol.close { Tol.scalar with Absolute = 1e-15 + 2.0 / (t * t) } (2.0 * Normal.Density 0.0 * 0.5 / t) found.Mean $"mean at {t}"
                Tol.close { Tol.scalar with Absolute = 1.0 / (t * t * t) } (2.0 * Normal.Density 0.0 / t) found.MeanDx $"slope at {t}"
                Tol.below (abs (found.Variance - 1.0 + 4.0 / 3.0 * Normal.Density 0.0 / t)) (2.0 / (t * t) + 1e-15) $"variance at {t}"
        }

        test "far outside the bounds the tiny rest keeps its digits" {
            let found = NoisyMoments.Evaluate(Variants.Nani.Tanh, 11.0, nan, 1.0)
            Expect.equal found.Mean 1.0 "rounded"
            Expect.isTrue (found.Variance > 0.0 && found.Variance < 1e-23) "variance of a rare event"
            Tol.close { Tol.scalar with Relative = 1e-9 } (Normal.Between(10.0, 12.0)) found.MeanDx "chance of a gradient"
        }
    ]
