using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Initial values of the gap gains p.</summary>
public static class GapGain
{
    /// <summary>One gain a unit: U(−1, 1) drawn from the key (decision 9), or the spec's fixed start.</summary>
    /// <param name="spec">The activation.</param>
    /// <param name="units">Number of units H.</param>
    /// <param name="key">Key of this site's initial values.</param>
    /// <returns>[H], float, on the CPU; zeros never occur, since p = 0 is a stationary point.</returns>
    public static Tensor Initial(NoisyActivationSpec spec, long units, NoiseKey key) =>
        spec.P is { } p ? tensor(Enumerable.Repeat((float)p, (int)units).ToArray()) : NoiseSource.Uniform(key.At(0, 0), [units], -1, 1, CPU);

    /// <summary>Whether a learned gain has a part in a pass: where the noise is switched off, has expectation or scale 0 or no
    /// direction, it has none, and no gradient.</summary>
    internal static bool Counts(NoisyActivationSpec spec, NoiseContext context) =>
        spec.UsesP && spec.LearnP && (context.Scale ?? spec.C) != 0 && context.Mode != NoiseMode.ExactMean
        && (context.Mode == NoiseMode.Sample || NoiseModes.Constant(spec, context.Mode) != 0)
        && (spec.Placement != NoisePlacement.Output || spec.LeakSign != 0);
}
