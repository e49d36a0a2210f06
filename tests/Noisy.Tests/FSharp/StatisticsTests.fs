/// Intervals, pairs and shares: known values, what must not matter, and how often an interval holds the truth.
module Noisy.Tests.StatisticsTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.FSharp

let private close expected actual = Expect.floatClose Accuracy.high actual expected

let private ends (interval: Interval) = interval.Low, interval.High

/// Lists of some length of moderate numbers.
let private samples least most =
    gen {
        let! n = Gen.choose (least, most)
        return! Gen.listOfLength n (Gen.choose (-1000, 1000) |> Gen.map (fun i -> float i / 8.0))
    }
    |> Arb.fromGen

/// How often the interval of so many normal values holds their mean, 0.
let private coverage n trials =
    let draws = Array.zeroCreate<float32> (n * trials)
    NoiseSampler.Normal(NoiseKey.FromSeed(7L).Child("coverage").At(0L, n), 0L, Span draws)

    let holds sample =
        let interval = Statistics.interval [ for v: float32 in sample -> float v ]
        interval.Low <= 0.0 && interval.High >= 0.0

    float (draws |> Array.chunkBySize n |> Array.filter holds |> Array.length) / float trials

let tests =
    testList "statistics" [
        test "Student's quantiles are those of the tables" {
            for degrees, t in [ 1, 12.706204736; 2, 4.302652730; 3, 3.182446305; 4, 2.776445105; 7, 2.364624252; 9, 2.262157163; 30, 2.042272456; 100, 1.983971519 ] do
                Expect.floatClose { absolute = 1e-8; relative = 1e-9 } (StudentT.twoSided degrees 0.95) t $"{degrees} degrees"
        }
        for n, trials in [ 2, 5000; 3, 5000; 5, 5000; 8, 2000; 10, 1000 ] do
            test $"an interval of {n} normal values holds their mean 92 times of 100 or more, and not always" {
                let share = coverage n trials
                Tol.atLeast share 0.92 $"{n}"
                Tol.atMost share 0.97 $"{n}"
            }
        test "two to four values have Student's interval, one has none" {
            let two = Statistics.interval [ 1.0; 3.0 ]
            close 2.0 two.Mean "mean"
            Expect.floatClose Accuracy.medium (fst (ends two)) (2.0 - 12.706204736) "low"
            Expect.floatClose Accuracy.medium (snd (ends two)) (2.0 + 12.706204736) "high"
            let one = Statistics.interval [ 5.0 ]
            Expect.equal (one.Mean, one.Count, one.ExcludesZero, one.IsBounded) (5.0, 1, false, false) "one value shows no sign"
        }
        test "five values have the bootstrap's interval: the quantile lies between the most extreme resample and the next" {
            let found = Statistics.interval [ 10.0; 3.0; 1.0; 4.0; 2.0 ]
            close 1.2 found.Low "four times the least, once the next"
            close 8.8 found.High "four times the largest, once the next"
            close 4.0 found.Mean "mean"
        }
        testPropertyWithConfig { FsCheckConfig.defaultConfig with maxTest = 40 } "order does not matter"
        <| Prop.forAll (samples 1 11) (fun values -> Statistics.interval values = Statistics.interval (List.rev values) && Statistics.interval values = Statistics.interval (List.sort values))
        testPropertyWithConfig { FsCheckConfig.defaultConfig with maxTest = 40 } "an interval goes with scale, place and sign of the values, and lies around the mean"
        <| Prop.forAll (samples 2 11) (fun values ->
            let found = Statistics.interval values
            let moved = Statistics.interval (values |> List.map (fun v -> 4.0 * v + 32.0))
            let mirrored = Statistics.interval (List.map (~-) values)
            let same a b = abs (a - b) <= 1e-9 * (1.0 + abs a + abs b)
            same moved.Low (4.0 * found.Low + 32.0) && same moved.High (4.0 * found.High + 32.0)
            && same mirrored.Low -found.High && same mirrored.High -found.Low
            && found.Low <= found.Mean + 1e-9 && found.Mean <= found.High + 1e-9)
        test "only keys that both rows have are paired, and none twice" {
            let a, b = [ 1L, 5.0; 2L, 7.0; 3L, 1.0 ], [ 3L, 4.0; 1L, 1.0; 9L, 100.0 ]
            Expect.equal (Statistics.differences a b) [ 4.0; -3.0 ] "differences"
            Expect.equal (Statistics.paired a b |> Option.map _.Count) (Some 2) "pairs"
            Expect.isNone (Statistics.paired a [ 7L, 1.0 ]) "no pair"
            Expect.throwsT<UsageException> (fun () -> Statistics.differences a [ 1L, 1.0; 1L, 2.0 ] |> ignore) "twice"
        }
        test "pairs show what rows apart do not" {
            let seeds = [ 1L .. 6L ]
            let reference = [ for seed in seeds -> seed, float (100L * seed) ]
            let better = [ for seed in seeds -> seed, float (100L * seed - 3L - seed % 2L) ]
            Expect.isTrue (Statistics.paired better reference).Value.ExcludesZero "paired"
            Tol.above (Statistics.interval (List.map snd better)).High (Statistics.interval (List.map snd reference)).Low "apart they overlap"
        }
        test "shares have Wilson's interval, their difference Newcombe's" {
            let near name expected actual = Expect.floatClose { absolute = 5e-5; relative = 0.0 } actual expected name
            let five = Statistics.share 5 8
            near "low" 0.30574 five.Low
            near "high" 0.86316 five.High
            let none = Statistics.share 0 10
            Expect.equal (none.Mean, none.Low) (0.0, 0.0) "none"
            near "none, high" 0.27753 none.High
            Expect.equal (Statistics.share 4 4).High 1.0 "all"
            let difference = Statistics.shareDifference (Statistics.share 56 70) (Statistics.share 48 80)
            near "Newcombe's example, low" 0.0524 difference.Low
            near "Newcombe's example, high" 0.3339 difference.High
            Expect.throwsT<UsageException> (fun () -> Statistics.share 3 2 |> ignore) "three of two"
        }
        test "quartiles are interpolated" {
            Expect.equal (Statistics.quartiles [ 4.0; 1.0; 3.0; 2.0 ]) (1.75, 2.5, 3.25) "four"
            Expect.equal (Statistics.quartiles [ 7.0 ]) (7.0, 7.0, 7.0) "one"
        }
        test "values that are none are refused" {
            for values in [ []; [ 1.0; nan ]; [ infinity; 2.0 ] ] do
                Expect.throwsT<UsageException> (fun () -> Statistics.interval values |> ignore) $"{values}"
                Expect.throwsT<UsageException> (fun () -> Statistics.quartiles values |> ignore) $"{values}"
        }
        test "a text has the decimals that the interval gives a meaning, and a sign only where it excludes 0" {
            let between mean low high count = { Mean = mean; Low = low; High = high; Count = count }
            Expect.equal (Statistics.text (between 112.3456 109.1 115.4 5)) "112.3 [109.1, 115.4]" "3.2 each way"
            Expect.equal (Statistics.text (between 40282.3 -1234.0 81321.0 3)) "40,282 [−1,234, 81,321]" "wide"
            Expect.equal (Statistics.text (between 0.06324 0.0627 0.0638 3)) "0.06324 [0.06270, 0.06380]" "narrow"
            Expect.equal (Statistics.text (Statistics.interval [ 1.5 ])) "1.50" "alone"
            Expect.equal (Statistics.text (between -11.2 -23.6 -0.04 5)) "−11.20 [−23.60, −0.04]" "an end near 0 that the interval excludes"
            Expect.equal (Statistics.text (between 0.0 0.0 0.0 2)) "0 [0, 0]" "no difference at all"
            Expect.equal (Statistics.effect (between -3.7 -5.4 -2.0 5)) "−3.7 [−5.4, −2.0], 5 pairs" "a sign"
            Expect.equal (Statistics.effect (between -0.4 -2.1 1.3 5)) "no difference shown: −0.4 [−2.1, 1.3], 5 pairs" "none"
            Expect.equal (Statistics.effect (Statistics.interval [ -3.75 ])) "−3.75, 1 pair: no interval" "one"
            Expect.equal (Statistics.text (between -0.001 -1.0 1.0 2)) "0.0 [−1.0, 1.0]" "no minus before zero"
        }
    ]
