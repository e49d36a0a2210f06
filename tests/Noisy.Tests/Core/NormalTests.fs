module Noisy.Tests.NormalTests

open System
open Expecto
open Noisy.Core
open Noisy.Tests.Arbitraries

/// x, distribution function, density: 20 digits from mpmath 1.3 with 40 working digits.
let private golden =
    [ -37.5, 4.6053530095819548438e-308, 1.7282337322841052208e-306
      -30.1, 2.4226672179857587657e-199, 7.3002593842806107243e-198
      -12.3, 4.5287069561587846514e-35, 5.6066569263038404561e-34
      -8.25, 7.919726314642477341e-17, 6.6271374559687515356e-16
      -5.5, 1.8989562465887719384e-8, 1.0769760042543276359e-7
      -3.0, 0.0013498980316300945267, 0.0044318484119380071756
      -1.3, 0.096800484585610325542, 0.17136859204780734707
      -0.7, 0.24196365222307302862, 0.31225393336676126681
      -0.66, 0.25462691467133613764, 0.32086380377117248766
      -0.1, 0.46017216272297101633, 0.39695254747701176529
      0.0, 0.5, 0.39894228040143267794
      0.3, 0.61791142218895263307, 0.38138781546052408688
      0.67, 0.74857110490468989845, 0.31873713847540152093
      1.0, 0.84134474606854294859, 0.2419707245191433498
      2.5, 0.99379033467422386483, 0.017528300493568537362
      6.0, 0.99999999901341235496, 6.075882849823285487e-9
      8.3, 0.99999999999999994794, 4.3816394355093327219e-16 ]

/// Probability and x, from the same source.
let private inverse =
    [ 1e-300, -37.047096299361199237
      1e-100, -21.273453560965324294
      1e-20, -9.2623400897984075796
      1e-6, -4.7534243088228989573
      0.01, -2.3263478740408410931
      0.05, -1.644853626951472688
      0.074, -1.4466320671589785099
      0.076, -1.4325027208258116188
      0.3, -0.52440051270804081597
      0.5, 0.0
      0.7, 0.52440051270804065631
      0.926, 1.446632067158978807
      0.975, 1.9599639845400538556
      0.999999, 4.7534243088170877657 ]

let tests =
    testList "normal law" [
        test "distribution and density agree with published digits, tails included" {
            for x, distribution, density in golden do
                Tol.close Tol.law distribution (Normal.Distribution x) $"Phi({x})"
                Tol.close Tol.law distribution (Normal.Survival -x) $"survival({-x})"
                Tol.close Tol.law density (Normal.Density x) $"n({x})"
        }

        test "inverse agrees with published digits" {
            for probability, x in inverse do Tol.close Tol.law x (Normal.Inverse probability) $"at {probability}"
        }

        test "the constants are the moments of the half-normal law" {
            Tol.close Tol.law (sqrt (2.0 / Math.PI)) NoisyMoments.HalfNormalMean "mean"
            Tol.close Tol.law (1.0 - 2.0 / Math.PI) NoisyMoments.HalfNormalVariance "variance"
        }

        property "inverse undoes distribution" 1000 (fun (FsCheck.NormalFloat t) ->
            let x = -37.5 + 42.5 * (t - floor t)
            let back = Normal.Inverse(Normal.Distribution x)
            // Above 0 the probability itself is rounded: its unit in the last place over the density is lost.
            let lost = if x > 0.0 then 2e-16 / Normal.Density x else 0.0
            Tol.atMost (abs (back - x)) (1e-13 * (1.0 + abs x) + lost) $"x = {x}")

        property "the distribution rises and its two tails add to one" 1000 (fun (FsCheck.NormalFloat a) (FsCheck.NormalFloat b) ->
            let low, high = min a b, max a b
            Tol.atMost (Normal.Distribution low) (Normal.Distribution high) "rises"
            Tol.close Tol.scalar 1.0 (Normal.Distribution a + Normal.Survival a) "sum"
            Tol.close Tol.scalar (Normal.Distribution high - Normal.Distribution low) (Normal.Between(low, high)) "between")

        test "a stretch far in the upper tail keeps its digits" {
            Tol.close Tol.scalar (Normal.Between(-21.0, -20.0)) (Normal.Between(20.0, 21.0)) "symmetric"
            Tol.above (Normal.Between(20.0, 21.0)) 0.0 "not lost"
        }

        test "special values" {
            Expect.equal (Normal.Distribution infinity) 1.0 "Phi(+inf)"
            Expect.equal (Normal.Distribution -infinity) 0.0 "Phi(-inf)"
            Expect.isTrue (Double.IsNaN(Normal.Distribution nan)) "Phi(NaN)"
            Expect.isTrue (Double.IsNaN(Normal.Density nan)) "n(NaN)"
            Expect.equal (Normal.Density infinity) 0.0 "n(inf)"
            Expect.equal (Normal.Inverse 0.0) -infinity "inverse of 0"
            Expect.equal (Normal.Inverse 1.0) infinity "inverse of 1"
            Expect.isTrue (Double.IsNaN(Normal.Inverse nan)) "inverse of NaN"
            for p in [ -1e-300; 1.0000001; infinity ] do
                Expect.throwsT<ArgumentOutOfRangeException> (fun () -> Normal.Inverse p |> ignore) $"{p}"
        }
    ]
