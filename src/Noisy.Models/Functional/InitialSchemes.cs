using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Gives all weights of a model new initial values.</summary>
/// <remarks>In the first two schemes biases become 0; gap gains stay; the tables of words, <c>embedding</c> and <c>output_weight</c>, are
/// 0.01 N(0, 1) in both. The blocks of a recurrent cell's gates count as matrices of their own. Source: paper, Sections 6.4 and 6.5; decision 15; docs/paper.md, reference systems.</remarks>
internal static class InitialSchemes
{
    private const double Small = 0.01;

    /// <summary>Replaces the values.</summary>
    /// <param name="module">The model.</param>
    /// <param name="scheme">Which scheme.</param>
    /// <param name="key">Key of the values; each parameter draws from the child of its name.</param>
    public static void Apply(nn.Module module, InitialScheme scheme, NoiseKey key)
    {
        if (scheme == InitialScheme.Uniform) return; // what modules are built with
        using var _ = no_grad();
        foreach (var (name, parameter) in module.named_parameters())
        {
            using var scope = NewDisposeScope();
            var last = name[(name.LastIndexOf('.') + 1)..];
            if (last == "p" || last.StartsWith("p_l", StringComparison.Ordinal)) continue;
            if (parameter.dim() < 2)
            {
                parameter.zero_();
                continue;
            }

            var isTable = last is "embedding" or "output_weight";
            var blocks = Blocks(module, name, last);
            var rows = parameter.shape[0] / blocks;
            for (var block = 0; block < blocks; block++)
            {
                using var target = parameter.narrow(0, block * rows, rows);
                target.copy_(Values(scheme, key.Child(name).Child((uint)block), isTable, rows, parameter.shape[1]));
            }
        }
    }

    private static Tensor Values(InitialScheme scheme, NoiseKey key, bool isTable, long rows, long columns) =>
        isTable ? InitialWeights.Normal(key, Small, rows, columns)
        : scheme == InitialScheme.ScaledOrthogonal ? InitialWeights.Orthogonal(key, rows, columns, Small)
        : rows == columns ? InitialWeights.Orthogonal(key, rows, columns, 1)
        : InitialWeights.Normal(key, Small, rows, columns);

    /// <summary>Gates whose weights are rows of one matrix; the recurrent weights tell how many.</summary>
    private static long Blocks(nn.Module module, string name, string last)
    {
        if (!last.StartsWith("weight_ih", StringComparison.Ordinal) && !last.StartsWith("weight_hh", StringComparison.Ordinal)) return 1;
        var recurrent = module.get_parameter(name.Replace("weight_ih", "weight_hh"))!;
        return recurrent.shape[0] / recurrent.shape[1];
    }
}
