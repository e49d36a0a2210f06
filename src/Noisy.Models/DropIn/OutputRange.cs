using Noisy.Core;

namespace Noisy.Models;

/// <summary>Whether an activation keeps to the range of what it replaces: a loss may take its output for a probability.</summary>
internal static class OutputRange
{
    // The sampler's farthest draw: the inverse of the distribution function at the last of 2^23 centred uniforms.
    private const double FarthestDraw = 5.42;

    /// <summary>How an activation leaves the range of its unit, in words; null if it never does.</summary>
    /// <param name="spec">The activation; valid.</param>
    public static string? Left(NoisyActivationSpec spec)
    {
        var unit = spec.Unit;
        if (spec.UseSoft || spec.ClipOutput) return null;
        var range = FormattableString.Invariant($"[{unit.Lower}, {unit.Upper}]");
        if (spec.Alpha != 1)
        {
            var slope = Math.Round((1 - spec.Alpha) * unit.Slope, 10);
            return FormattableString.Invariant($"leaves {range} without bound: its slope where it saturates is {slope}");
        }

        if (spec.Noise == NoiseKind.None || spec.Placement != NoisePlacement.Output || spec.LeakSign == 0) return null;
        var (far, span) = (FarthestDraw * spec.C / 4, unit.Upper - unit.Lower); // σ < c/4
        var past = spec.Noise == NoiseKind.Normal ? far : Math.Max(0, far - span); // half-normal noise points inward
        return past == 0 ? null : FormattableString.Invariant($"leaves {range} by up to {past:G2}, the noise at its farthest");
    }
}
