module Noisy.Tests.SpecTests

open System
open Expecto
open Noisy.Core
open Noisy.Tests.Arbitraries

let private tanh = Variants.Nan.Tanh

/// A spec that breaks rules, and the whole message.
let private broken =
    [ tanh.WithAlpha nan, "alpha is NaN: must be finite"
      tanh.WithC -0.1, "c is -0.1: must be finite and >= 0"
      tanh.WithC infinity, "c is Infinity: must be finite and >= 0"
      tanh.WithP(Nullable nan), "p is NaN: must be finite"
      tanh.WithP(Nullable 0.0), "p is 0: a stationary point that learning never leaves; give another start or freeze it"
      tanh.WithUnit(SaturatingUnit(0.0, 0.0, -1.0, 1.0)), "unit slope is 0: must be finite and > 0"
      tanh.WithUnit(SaturatingUnit(1.0, nan, -1.0, 1.0)), "unit offset is NaN: must be finite"
      tanh.WithUnit(SaturatingUnit(1.0, 0.0, 1.0, 1.0)), "unit bounds are [1, 1]: lower must be below upper"
      tanh.WithUnit(SaturatingUnit(1.0, 0.0, -infinity, infinity)), "unit bounds are [-Infinity, Infinity]: at least one must be finite"
      tanh.WithScaling NoiseScaling.Constant, "output noise with scaling Constant: must be Gap or Excess, which vanish in the linear zone"
      Variants.Nani.Tanh.WithScaling NoiseScaling.Excess, "input noise with scaling Excess: must be Constant, Gap or Ratio"
      Variants.Nanis.Tanh.WithScaling NoiseScaling.Gap, "noise at the input when saturated with scaling Gap: must be Constant"
      Variants.Nani.Tanh.WithAlpha 1.1, "alpha is 1.1 with noise at the input: the leak belongs to output noise, must be 1"
      Variants.Soft.Tanh.WithUnit SaturatingUnit.Relu, "soft is set, but the unit has no smooth original"
      Variants.Soft.Tanh.WithAlpha 0.9, "soft is set with noise None and alpha 0.9: the smooth reference has neither noise nor leak"
      tanh.WithAlpha(nan).WithC(-1.0).WithP(Nullable infinity),
      "alpha is NaN: must be finite; c is -1: must be finite and >= 0; p is Infinity: must be finite" ]

let tests =
    testList "specs" [
        testList "each broken rule has its sentence" [
            for spec, message in broken do
                test message { Tol.throws<InvalidSpecException> message (fun () -> spec.Validate() |> ignore) }
        ]

        property "every broken rule of an invalid spec is named" 500 (fun (InvalidSpec(spec, words)) ->
            try
                spec.Validate() |> ignore
                failtest "an invalid spec passed"
            with :? InvalidSpecException as e ->
                for word in words do Expect.stringContains e.Message word "the message"
                Tol.atLeast e.Broken.Count words.Length "one sentence a rule")

        property "a valid spec passes and is returned itself" 200 (fun (case: Case) ->
            Expect.isTrue (Object.ReferenceEquals(case.Spec.Validate(), case.Spec)) "same")

        test "all variants are valid, have distinct names and are found by them whatever the case" {
            for pair in Variants.All do
                pair.Tanh.Validate() |> ignore
                pair.Sigmoid.Validate() |> ignore
                Expect.equal (Variants.ByName(pair.Name.ToUpperInvariant())) pair "found"
            let names = [ for pair in Variants.All -> pair.Name ]
            Expect.equal names [ "soft"; "hard"; "nan"; "nah"; "nani"; "nanil"; "nanil-released"; "nanis" ] "names"
        }

        test "an unknown variant lists the known ones" {
            Tol.throws<InvalidSpecException>
                "unknown activation 'nann': known are soft, hard, nan, nah, nani, nanil, nanil-released, nanis"
                (fun () -> Variants.ByName "nann" |> ignore)
        }

        test "the noise of a variant is that of the paper" {
            let kinds = [ for v in Variants.All -> v.Name, v.IsNoisy, v.Tanh.UsesP ]
            Expect.equal
                kinds
                [ "soft", false, false
                  "hard", false, false
                  "nan", true, true
                  "nah", true, true
                  "nani", true, false
                  "nanil", true, true
                  "nanil-released", true, true
                  "nanis", true, false ]
                "name, noisy, learned p"
        }

        test "alpha and c of each variant are those of the authors' code" {
            let constants = [ for v in Variants.All do if v.IsNoisy then v.Name, (v.Tanh.Alpha, v.Tanh.C), (v.Sigmoid.Alpha, v.Sigmoid.C) ]
            Expect.equal
                constants
                [ "nan", (1.15, 0.5), (1.1, 0.15)
                  "nah", (1.15, 0.5), (1.1, 0.15)
                  "nani", (1.0, 0.05), (1.0, 0.05)
                  "nanil", (1.0, 0.5), (1.0, 0.15)
                  "nanil-released", (1.0, 0.25), (1.0, 0.25)
                  "nanis", (1.0, 0.25), (1.0, 0.25) ]
                "name, tanh, sigmoid"
        }

        test "sgn(1 - alpha) follows the rule at alpha = 1" {
            let sign alpha rule = tanh.WithAlpha(alpha).WithAlphaOne(rule).LeakSign
            Expect.equal (sign 0.9 AlphaOneRule.Silent) 1.0 "0.9"
            Expect.equal (sign 1.1 AlphaOneRule.Inward) -1.0 "1.1"
            Expect.equal (sign 1.0 AlphaOneRule.Inward) 1.0 "1, inward"
            Expect.equal (sign 1.0 AlphaOneRule.Silent) 0.0 "1, silent"
        }

        test "thresholds follow from slope, offset and bounds" {
            let thresholds (u: SaturatingUnit) = u.LowerThreshold, u.UpperThreshold
            Expect.equal (thresholds SaturatingUnit.HardTanh) (-1.0, 1.0) "hard-tanh"
            Expect.equal (thresholds SaturatingUnit.HardSigmoid) (-2.0, 2.0) "hard-sigmoid"
            Expect.equal (thresholds SaturatingUnit.Relu) (0.0, infinity) "ReLU"
            Expect.equal (thresholds SaturatingUnit.Relu6) (0.0, 6.0) "ReLU6"
        }
    ]
