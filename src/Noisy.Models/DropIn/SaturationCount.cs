using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Counts how often the units of replaced modules saturate.</summary>
internal static class SaturationCount
{
    /// <summary>Counts through a pass.</summary>
    public static IReadOnlyList<NoisifySaturation> Count(IReadOnlyList<NoisifyEntry> entries, Action pass)
    {
        using var observed = SiteObserver.Observe(pass);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return [.. entries.Where(entry => entry.Now is INoisySites).Select(entry =>
        {
            var calls = observed.Calls.Where(site => site.Key.Module == ((INoisySites)entry.Now).Noise).SelectMany(site => site.Value).ToList();
            return new NoisifySaturation(entry.Path, calls.Sum(c => c.X.numel()), calls.Sum(c => Saturated(c.Spec.Unit, c.X)));
        })];
    }

    private static long Saturated(SaturatingUnit unit, Tensor x)
    {
        using var scope = NewDisposeScope();
        return x.numel() - x.IsAbove(unit.LowerThreshold).logical_and_(x.IsBelow(unit.UpperThreshold)).sum().item<long>();
    }
}
