using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Weights of a cell, in a layer or alone, with torch's names, shapes and gate order.</summary>
/// <param name="WeightIh">[G H, I].</param>
/// <param name="WeightHh">[G H, H].</param>
/// <param name="BiasIh">[G H].</param>
/// <param name="BiasHh">[G H].</param>
/// <param name="P">Gap gains [sites, H]; null if no site has one.</param>
internal sealed record RecurrentWeights(Tensor WeightIh, Tensor WeightHh, Tensor BiasIh, Tensor BiasHh, Tensor? P)
{
    /// <summary>Creates the parameters: weights and biases U(−1/√H, 1/√H) as in torch.</summary>
    /// <param name="cell">The cell.</param>
    /// <param name="inputs">Features I of an input element.</param>
    /// <param name="units">Units H.</param>
    /// <param name="key">Key of the initial values.</param>
    /// <param name="suffix">End of every name.</param>
    /// <param name="parameter">Registers a parameter.</param>
    /// <param name="buffer">Registers a buffer: gap gains that are not learned.</param>
    internal static void Register(
        RecurrentCell cell, long inputs, long units, NoiseKey key, string suffix, Action<string, Parameter> parameter, Action<string, Tensor> buffer)
    {
        var bound = (float)(1 / Math.Sqrt(units));
        var rows = cell.Gates * units;
        New("weight_ih", rows, inputs);
        New("weight_hh", rows, units);
        New("bias_ih", rows);
        New("bias_hh", rows);
        if (!cell.Sites.Any(s => s.UsesP)) return;
        using var scope = NewDisposeScope();
        var initial = stack(cell.Sites.Select((s, i) => GapGain.Initial(s, units, key.Child("p").Child((uint)i))).ToArray()).DetachFromDisposeScope();
        if (!cell.Sites.Any(s => s.UsesP && s.LearnP))
        {
            buffer("p" + suffix, initial);
            return;
        }

        var gains = new Parameter(initial);
        gains.DetachFromDisposeScope();
        parameter("p" + suffix, gains);

        void New(string name, params long[] size)
        {
            var weight = new Parameter(NoiseSource.Uniform(key.Child(name).At(0, 0), size, -bound, bound, CPU));
            weight.DetachFromDisposeScope(); // the module owns it, whatever scope it is built in
            parameter(name + suffix, weight);
        }
    }

    /// <summary>The parameters that a module has now; torch replaces them when it moves to another device.</summary>
    internal static RecurrentWeights Of(nn.Module owner, RecurrentCell cell, string suffix)
    {
        Tensor Get(string name) => owner.get_parameter(name + suffix) ?? owner.get_buffer(name + suffix)!; // biases may be frozen zeros
        return new(Get("weight_ih"), Get("weight_hh"), Get("bias_ih"), Get("bias_hh"),
            !cell.Sites.Any(s => s.UsesP) ? null : cell.Sites.Any(s => s.UsesP && s.LearnP) ? Get("p") : owner.get_buffer("p" + suffix));
    }
}
