/// The core from F#: a unit of one's own, a schedule from pieces, and a pocket-size simulation against the exact answer.
module Noisy.Examples.FSharp.Tour

open System
open Noisy.Core

/// ReLU6 with half-normal noise where it saturates. Specs are C# records: named arguments make one, With… changes one.
let relu6 =
    NoisyActivationSpec(SaturatingUnit.Relu6, Noise = NoiseKind.HalfNormal, Alpha = 1.1)
        .WithC(0.25)
        .WithP(Nullable 2.0)
        .Validate()

/// Half the noise for the first 500 updates, then a slow decay that never goes below 0.05.
let schedule = Schedule.Constant(0.5).Then(500L, Schedule.Exponential(0.5, 0.999).ClampMin 0.05)

/// Mean and standard deviation over n draws at one address.
let simulate n x =
    let noise = Array.zeroCreate<float32> n
    NoiseSampler.Normal(NoiseKey.FromSeed(7L).Child("relu6").At(0L, 0), 0L, noise.AsSpan())
    let values = noise |> Array.map (fun xi -> NoisyFunction.Value(relu6, x, float xi, 2.0, relu6.C))
    let mean = Array.average values
    mean, sqrt (values |> Array.averageBy (fun value -> (value - mean) ** 2.0))

/// The tour, line by line.
let lines () =
    seq {
        "     x  exact mean  deviation    sampled  deviation"

        for x in [ -3.0; -1.0; 0.0; 3.0; 6.0; 7.0; 9.0 ] do
            let exact = NoisyMoments.Evaluate(relu6, x, 2.0)
            let mean, deviation = simulate 20_000 x
            sprintf "%6.1f %11.4f %10.4f %10.4f %10.4f" x exact.Mean (sqrt exact.Variance) mean deviation

        sprintf "%O" schedule

        for update in [ 0L; 499L; 500L; 1_000L; 10_000L ] do
            sprintf "%9d: c = %.3f" update (schedule.At update)

        for variant in Variants.All do
            sprintf "%-15s %s" variant.Name variant.Summary
    }
