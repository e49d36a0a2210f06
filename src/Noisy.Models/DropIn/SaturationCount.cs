using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Counts how often the units of replaced modules saturate.</summary>
/// <remarks>Each module of a replacement has specs of its own, by which <see cref="SaturationProbe"/> tells modules apart.</remarks>
internal static class SaturationCount
{
    /// <summary>Counts through a pass.</summary>
    public static IReadOnlyList<NoisifySaturation> Count(IReadOnlyList<NoisifyEntry> entries, Action pass)
    {
        var engines = entries.Select(e => Engine(e.Now, Backend.Composed)).ToList();
        SaturationProbe probe;
        try
        {
            probe = SaturationProbe.Count(pass);
        }
        finally
        {
            foreach (var (entry, engine) in entries.Zip(engines)) Engine(entry.Now, engine);
        }

        return [.. entries.Select(e =>
        {
            var seen = Specs(e.Now).Select(probe.Count).ToList();
            return new NoisifySaturation(e.Path, seen.Sum(s => s.All), seen.Sum(s => s.Saturated));
        })];
    }

    private static IEnumerable<NoisyActivationSpec> Specs(nn.Module module) =>
        module is NoisyActivation one ? [one.Spec] : ((IRecurrence)module).Cell.Sites.Distinct<NoisyActivationSpec>(ReferenceEqualityComparer.Instance);

    /// <summary>Sets which implementation a module runs on; returns the one before.</summary>
    private static Backend Engine(nn.Module module, Backend engine)
    {
        Backend before;
        if (module is IRecurrence recurrent) (before, recurrent.Backend) = (recurrent.Backend, engine);
        else (before, ((NoisyActivation)module).Backend) = (((NoisyActivation)module).Backend, engine);
        return before;
    }
}
