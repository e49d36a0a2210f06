using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Counts saturated pre-activations while a pass runs on the composed backend.</summary>
/// <remarks>What is counted belongs to a spec by reference.</remarks>
internal sealed class SaturationProbe
{
    [ThreadStatic]
    private static SaturationProbe? current;

    private readonly Dictionary<NoisyActivationSpec, (long All, long Saturated)> counts = new(ReferenceEqualityComparer.Instance);

    /// <summary>Counts through a pass.</summary>
    public static SaturationProbe Count(Action pass)
    {
        var probe = new SaturationProbe();
        current = probe;
        try
        {
            pass();
        }
        finally
        {
            current = null;
        }

        return probe;
    }

    /// <summary>Looks at the pre-activations of one call, if a pass is being counted.</summary>
    public static void See(NoisyActivationSpec spec, Tensor x)
    {
        if (current is not { } probe) return;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var linear = x.IsAbove(spec.Unit.LowerThreshold).logical_and_(x.IsBelow(spec.Unit.UpperThreshold)).sum().item<long>();
        var (all, saturated) = probe.counts.GetValueOrDefault(spec);
        probe.counts[spec] = (all + x.numel(), saturated + x.numel() - linear);
    }

    /// <summary>Pre-activations of a spec, and those of them that were at or beyond a threshold.</summary>
    public (long All, long Saturated) Count(NoisyActivationSpec spec) => counts.GetValueOrDefault(spec);
}
