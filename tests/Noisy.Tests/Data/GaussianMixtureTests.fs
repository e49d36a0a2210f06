module Noisy.Tests.GaussianMixtureTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments

let private key = NoiseKey.FromSeed(2L).Child "points"

let private draw key (indices: int64[]) =
    let points, classes = Array.zeroCreate<float32> (2 * indices.Length), Array.zeroCreate<int64> indices.Length
    GaussianMixture.Fill(key, ReadOnlySpan indices, Span points, Span classes)
    points, classes

let private count = 200_000
let private sample = lazy (draw key (Array.init count int64))

/// Five standard errors: with a fixed key a failure means a wrong law, not bad luck.
let private within (standardError: float) (expected: float) (found: float) what =
    Tol.below (abs (found - expected)) (5.0 * standardError) $"{what}: {found}, {expected} expected"

let tests =
    testList "mixture of Gaussians" [
        test "a point is a function of key and index, in whatever order it is requested" {
            let points, classes = sample.Value
            let some = [| 150_000L; 3L; 3L; 77_777L |]
            let p, c = draw key some
            for i, index in Array.indexed some do
                let index = int index
                Expect.equal (p[2 * i], p[2 * i + 1], c[i]) (points[2 * index], points[2 * index + 1], classes[index]) $"{index}"
            Expect.notEqual (draw (key.Child 1u) some) (p, c) "another key"
        }
        test "classes are equally likely, and each component has its mean and deviation in both coordinates" {
            let points, classes = sample.Value
            for k, part in Seq.indexed GaussianMixture.Components do
                let own = [| for i in 0 .. count - 1 do if classes[i] = int64 k then i |]
                let n = float own.Length
                within (sqrt (float count * 2.0 / 9.0)) (float count / 3.0) n $"class {k}"
                for coordinate, mean in [ 0, part.X; 1, part.Y ] do
                    let values = own |> Array.map (fun i -> float points[2 * i + coordinate])
                    let found = Array.average values
                    within (part.Deviation / sqrt n) mean found "mean"
                    let variance = values |> Array.averageBy (fun v -> (v - mean) ** 2.0)
                    within (part.Deviation ** 2.0 * sqrt (2.0 / n)) (part.Deviation ** 2.0) variance "variance"
        }
        test "log-densities are those of the formula" {
            let logs = Array.zeroCreate<float> 3
            for x, y in [ 0.0, 0.0; 1.25, -0.5; -3.0, 4.0; 30.0, 30.0 ] do
                let whole = GaussianMixture.LogDensities(x, y, Span logs)
                for k, c in Seq.indexed GaussianMixture.Components do
                    let square = (x - c.X) ** 2.0 + (y - c.Y) ** 2.0
                    Tol.close Tol.scalar (-log (6.0 * Math.PI * c.Deviation ** 2.0) - square / (2.0 * c.Deviation ** 2.0)) logs[k] $"component {k}"
                if abs x < 10.0 then Tol.close Tol.scalar (logs |> Array.sumBy exp |> log) whole "mixture"
                Expect.isTrue (Double.IsFinite whole) "far out too"
        }
        test "the limit by quadrature is that of a large sample, and of a plain sum over a fine grid" {
            let limit = GaussianMixture.Limit
            let points, classes = sample.Value
            let found = GaussianMixture.LimitOn(ReadOnlySpan points, ReadOnlySpan classes)
            let nats =
                let logs = Array.zeroCreate<float> 3
                [| for i in 0 .. count - 1 ->
                       let whole = GaussianMixture.LogDensities(float points[2 * i], float points[2 * i + 1], Span logs)
                       whole - logs[int classes[i]] |]
            let mean = Array.average nats
            Tol.close Tol.scalar mean found.Nll "the sample's own mean"
            let deviation = nats |> Array.averageBy (fun v -> (v - mean) ** 2.0) |> sqrt
            within (deviation / sqrt (float count)) limit.Nll found.Nll "nll"
            within (sqrt (limit.Error * (1.0 - limit.Error) / float count)) limit.Error found.Error "error"
            // Midpoints of a grid of 0.05 over [-9, 9] in each direction, computed elsewhere: 0.06143500512, 0.0201949421.
            Tol.below (abs (limit.Nll - 0.06143500512)) 1e-8 "nll"
            Tol.below (abs (limit.Error - 0.0201949421)) 1e-5 "error"
        }
        test "validation and test are the same for all runs and share nothing; training depends on the seed and has no end" {
            let one, two = MixtureData(1L, 50, 60), MixtureData(2L, 50, 60)
            Expect.equal one.Identity two.Identity "identity"
            Expect.notEqual (MixtureData(1L, 50, 61).Identity.Sha256) one.Identity.Sha256 "another size"
            let points (data: MixtureData) split =
                let p, c = Array.zeroCreate<float32> 8, Array.zeroCreate<int64> 4
                data.Fill(split, ReadOnlySpan [| 0L; 1L; 2L; 1_000_000_000L |], Span p, Span c)
                p
            Expect.notEqual (points one Split.Train) (points two Split.Train) "seeds"
            Expect.equal (points one Split.Test) (points two Split.Test) "test"
            Expect.equal (List.distinct [ for s in Enum.GetValues<Split>() -> points one s ]).Length 3 "splits"
            Expect.equal [ for s in Enum.GetValues<Split>() -> Option.ofNullable (one.Count s) ] [ None; Some 50L; Some 60L ] "counts"
        }
    ]
