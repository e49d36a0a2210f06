module Noisy.Tests.HardFunctionTests

open System
open Expecto
open Noisy.Core
open Noisy.Tests.Arbitraries

let private finiteThresholds (unit: SaturatingUnit) =
    [ unit.LowerThreshold; unit.UpperThreshold ] |> List.filter Double.IsFinite

let tests =
    testList "hard functions" [
        test "values by hand" {
            for unit, x, h, u in
                [ SaturatingUnit.HardTanh, 0.3, 0.3, 0.3
                  SaturatingUnit.HardTanh, 1.7, 1.0, 1.7
                  SaturatingUnit.HardTanh, -4.0, -1.0, -4.0
                  SaturatingUnit.HardSigmoid, 0.0, 0.5, 0.5
                  SaturatingUnit.HardSigmoid, -1.0, 0.25, 0.25
                  SaturatingUnit.HardSigmoid, 6.0, 1.0, 2.0
                  SaturatingUnit.HardSigmoid, -3.0, 0.0, -0.25
                  SaturatingUnit.HardSigmoidSixth, 1.5, 0.75, 0.75
                  SaturatingUnit.Relu, -2.0, 0.0, -2.0
                  SaturatingUnit.Relu, 1e9, 1e9, 1e9
                  SaturatingUnit.Relu6, 7.0, 6.0, 7.0 ] do
                Tol.close Tol.scalar h (HardFunctions.Hard(unit, x)) $"h({x})"
                Tol.close Tol.scalar u (HardFunctions.Linear(unit, x)) $"u({x})"
                Tol.close Tol.scalar (h - u) (HardFunctions.Gap(unit, x)) $"gap({x})"
        }

        test "the slope at a threshold is 0, one unit in the last place further in it is that of u" {
            for unit in units do
                for t in finiteThresholds unit do
                    let inward = if t = unit.LowerThreshold then Math.BitIncrement t else Math.BitDecrement t
                    Expect.equal (HardFunctions.HardSlope(unit, t)) 0.0 $"{unit} at {t}"
                    Expect.equal (HardFunctions.HardSlope(unit, inward)) unit.Slope $"{unit} at {inward}"
                    Expect.equal (HardFunctions.Gap(unit, inward)) 0.0 $"{unit} gap at {inward}"
                    Tol.close Tol.scalar 0.0 (HardFunctions.Gap(unit, t)) $"{unit} gap at {t}"
        }

        property "h is u clipped, and the gap is their difference" 2000 (fun (case: Case) ->
            let unit, x = case.Spec.Unit, case.X
            let u = HardFunctions.Linear(unit, x)
            let h = HardFunctions.Hard(unit, x)
            Tol.close Tol.scalar (Math.Clamp(u, unit.Lower, unit.Upper)) h "h"
            Tol.close Tol.scalar (h - u) (HardFunctions.Gap(unit, x)) "gap")

        property "side, gap, slope and excess tell the same story" 2000 (fun (case: Case) ->
            let unit, x = case.Spec.Unit, case.X
            let side, gap = HardFunctions.Side(unit, x), HardFunctions.Gap(unit, x)
            if side = 0 then
                Expect.equal gap 0.0 "no gap in the linear zone"
                Expect.equal (HardFunctions.Hard(unit, x)) (HardFunctions.Linear(unit, x)) "h = u, bit for bit"
                Expect.equal (HardFunctions.HardSlope(unit, x)) unit.Slope "slope"
                Expect.equal (HardFunctions.Excess(unit, x)) 0.0 "no excess"
            else
                Expect.equal (HardFunctions.HardSlope(unit, x)) 0.0 "flat"
                Tol.close Tol.scalar (float side * unit.Slope * HardFunctions.Excess(unit, x)) gap "gap = side k excess")

        test "symmetric units are symmetric" {
            for x in [ 0.0; 0.4; 1.0; 1.9; 2.0; 3.7; 1e20 ] do
                let tanh, sigmoid = SaturatingUnit.HardTanh, SaturatingUnit.HardSigmoid
                Expect.equal (HardFunctions.Hard(tanh, -x)) (-HardFunctions.Hard(tanh, x)) "hard-tanh is odd"
                Tol.close Tol.scalar 1.0 (HardFunctions.Hard(sigmoid, -x) + HardFunctions.Hard(sigmoid, x)) "hard-sigmoid"
                Tol.close Tol.scalar (-HardFunctions.Gap(sigmoid, x)) (HardFunctions.Gap(sigmoid, -x)) "gap is odd"
        }

        test "linearisations touch the smooth originals at 0 in value and slope" {
            for unit in [ SaturatingUnit.HardTanh; SaturatingUnit.HardSigmoid ] do
                Expect.equal (HardFunctions.Soft(unit.Soft, 0.0)) (HardFunctions.Linear(unit, 0.0)) "value"
                Expect.equal (HardFunctions.SoftSlope(unit.Soft, 0.0)) unit.Slope "slope"
        }

        test "smooth slopes are the derivatives of the smooth functions" {
            for f in [ SoftFunction.Tanh; SoftFunction.Sigmoid ] do
                for x in [ -9.0; -2.5; -0.3; 0.0; 0.7; 3.1; 8.0 ] do
                    let step = 1e-5
                    let difference = (HardFunctions.Soft(f, x + step) - HardFunctions.Soft(f, x - step)) / (2.0 * step)
                    Tol.close Tol.difference difference (HardFunctions.SoftSlope(f, x)) $"{f} at {x}"
                    Tol.close Tol.scalar (HardFunctions.SoftSlope(f, -x)) (HardFunctions.SoftSlope(f, x)) "even"
            Expect.equal (HardFunctions.SoftSlope(SoftFunction.Tanh, 1e308)) 0.0 "far out"
            Expect.equal (HardFunctions.Soft(SoftFunction.Sigmoid, -800.0)) 0.0 "far out"
        }

        test "special values" {
            for unit in units do
                Expect.isTrue (Double.IsNaN(HardFunctions.Hard(unit, nan))) "h(NaN)"
                Expect.isTrue (Double.IsNaN(HardFunctions.Gap(unit, nan))) "gap(NaN)"
                Expect.equal (HardFunctions.Hard(unit, infinity)) unit.Upper "h(+inf)"
                Expect.equal (HardFunctions.Hard(unit, -infinity)) unit.Lower "h(-inf)"
            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> HardFunctions.Soft(SoftFunction.None, 0.0) |> ignore) "no soft"
        }
    ]
