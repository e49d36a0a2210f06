using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Weights of a cell, in a layer or alone, with torch's names, shapes and gate order.</summary>
/// <param name="WeightIh">[G H, I].</param>
/// <param name="WeightHh">[G H, H].</param>
/// <param name="BiasIh">[G H]; null without biases.</param>
/// <param name="BiasHh">[G H]; null without biases.</param>
/// <param name="P">Gap gains [sites, H]; null if no site has one.</param>
internal sealed record RecurrentWeights(Tensor WeightIh, Tensor WeightHh, Tensor? BiasIh, Tensor? BiasHh, Tensor? P)
{
    /// <summary>Creates the parameters of a module: weights and biases U(−1/√H, 1/√H) as in torch.</summary>
    /// <param name="owner">The module.</param>
    /// <param name="cell">The cell.</param>
    /// <param name="inputs">Features I of an input element.</param>
    /// <param name="units">Units H.</param>
    /// <param name="bias">Whether there are biases.</param>
    /// <param name="key">Key of the initial values.</param>
    /// <param name="suffix">End of every name.</param>
    internal static void Register(nn.Module owner, RecurrentCell cell, long inputs, long units, bool bias, NoiseKey key, string suffix)
    {
        var bound = (float)(1 / Math.Sqrt(units));
        var rows = cell.Layout.Gates * units;
        New("weight_ih", rows, inputs);
        New("weight_hh", rows, units);
        if (bias)
        {
            New("bias_ih", rows);
            New("bias_hh", rows);
        }

        if (!cell.UsesP) return;
        using var scope = NewDisposeScope();
        var initial = stack(cell.Sites.Select((s, i) => GapGain.Initial(s, units, key.Child("p").Child((uint)i))).ToArray()).DetachFromDisposeScope();
        if (!cell.LearnsP)
        {
            owner.register_buffer("p" + suffix, initial);
            return;
        }

        var gains = new Parameter(initial);
        gains.DetachFromDisposeScope();
        owner.register_parameter("p" + suffix, gains);

        void New(string name, params long[] size)
        {
            var weight = new Parameter(NoiseSource.Uniform(key.Child(name).At(0, 0), size, -bound, bound, CPU));
            weight.DetachFromDisposeScope(); // the module owns it, whatever scope it is built in
            owner.register_parameter(name + suffix, weight);
        }
    }

    /// <summary>The parameters that a module has now; torch replaces them when it moves to another device.</summary>
    internal static RecurrentWeights FromModule(nn.Module owner, RecurrentCell cell, string suffix)
    {
        Tensor? Get(string name) => owner.get_parameter(name + suffix);
        return new(Get("weight_ih")!, Get("weight_hh")!, Get("bias_ih"), Get("bias_hh"),
            !cell.UsesP ? null : cell.LearnsP ? Get("p") : owner.get_buffer("p" + suffix));
    }
}
