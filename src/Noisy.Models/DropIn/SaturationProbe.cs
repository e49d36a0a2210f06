using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Counts saturated pre-activations while a pass runs on the composed path.</summary>
/// <remarks>What is counted belongs to a spec by reference: each module of a replacement has specs of its own.</remarks>
internal sealed class SaturationProbe
{
    [ThreadStatic]
    private static SaturationProbe? current;

    private readonly Dictionary<NoisyActivationSpec, (long All, long Saturated)> counts = new(ReferenceEqualityComparer.Instance);

    /// <summary>Counts through a pass.</summary>
    public static IReadOnlyList<NoisifySaturation> Count(IReadOnlyList<NoisifyEntry> entries, Action pass)
    {
        var probe = new SaturationProbe();
        var engines = entries.Select(e => Engine(e.Now, Backend.Composed)).ToList();
        current = probe;
        try
        {
            pass();
        }
        finally
        {
            current = null;
            foreach (var (entry, engine) in entries.Zip(engines)) Engine(entry.Now, engine);
        }

        return [.. entries.Select(e =>
        {
            var seen = Specs(e.Now).Select(s => probe.counts.GetValueOrDefault(s)).ToList();
            return new NoisifySaturation(e.Path, seen.Sum(s => s.All), seen.Sum(s => s.Saturated));
        })];
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

    private static IEnumerable<NoisyActivationSpec> Specs(nn.Module module)
    {
        if (module is NoisyActivation one) return [one.Spec];
        var pair = module switch
        {
            NoisyLstm lstm => lstm.Activations,
            NoisyGru gru => gru.Activations,
            NoisyLstmCell cell => cell.Activations,
            _ => ((NoisyGruCell)module).Activations,
        };
        return [pair.Tanh, pair.Sigmoid];
    }

    /// <summary>Sets which implementation a module runs on; returns the one before.</summary>
    private static Backend Engine(nn.Module module, Backend engine)
    {
        Backend before;
        switch (module)
        {
            case NoisyLstm m: (before, m.Backend) = (m.Backend, engine); break;
            case NoisyGru m: (before, m.Backend) = (m.Backend, engine); break;
            case NoisyLstmCell m: (before, m.Backend) = (m.Backend, engine); break;
            case NoisyGruCell m: (before, m.Backend) = (m.Backend, engine); break;
            default:
                var activation = (NoisyActivation)module;
                (before, activation.Backend) = (activation.Backend, engine);
                break;
        }

        return before;
    }
}
