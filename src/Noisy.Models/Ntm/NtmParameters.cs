using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Initial values of a machine's parameters, drawn from a key, and their names.</summary>
/// <remarks>
/// Weights are uniform with variance 2 / (inputs + outputs) (Glorot, Bengio, 2010), biases 0. Every head starts at the first row
/// of a random memory: were all rows and all places alike, they would stay so (decision 22).
/// </remarks>
internal static class NtmParameters
{
    // Logit of the first row above the others': with 128 rows it holds 99 % of the attention.
    private const float StartLogit = 10;

    /// <summary>Every parameter by name.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="cell">The controller's cell.</param>
    /// <param name="key">Key of the initial values.</param>
    public static IEnumerable<(string Name, Tensor Value)> Initial(NtmShape shape, RecurrentCell cell, NoiseKey key)
    {
        var layout = cell.Layout;
        var (gates, recurrent) = (layout.Gates * shape.Hidden, layout.IsRecurrent);
        yield return ("weight_ih", Weight("weight_ih", gates, shape.ControllerInputs));
        if (recurrent) yield return ("weight_hh", Weight("weight_hh", gates, shape.Hidden));
        yield return ("bias", FusedEngine.Zeros(gates));
        yield return ("head_weight", Weight("head_weight", shape.HeadOutputs, shape.Hidden));
        yield return ("head_bias", FusedEngine.Zeros(shape.HeadOutputs));
        yield return ("output_weight", Weight("output_weight", shape.Outputs, shape.Hidden + shape.Reads));
        yield return ("output_bias", FusedEngine.Zeros(shape.Outputs));
        var bound = 1 / Math.Sqrt(shape.MemoryWidth);
        yield return ("start_memory", Uniform("start_memory", bound, shape.MemoryRows, shape.MemoryWidth));
        var logits = Enumerable.Range(0, shape.Heads * shape.MemoryRows).Select(i => i % shape.MemoryRows == 0 ? StartLogit : 0f);
        yield return ("start_attention", tensor(logits.ToArray(), [shape.Heads, shape.MemoryRows]));
        yield return ("start_read", Uniform("start_read", bound, shape.ReadHeads, shape.MemoryWidth));
        if (!recurrent) yield break;
        yield return ("start_hidden", FusedEngine.Zeros(shape.Hidden));
        if (layout.States > 1) yield return ("start_cell", FusedEngine.Zeros(shape.Hidden));

        Tensor Weight(string name, long outputs, long inputs) => Uniform(name, Math.Sqrt(6.0 / (inputs + outputs)), outputs, inputs);

        Tensor Uniform(string name, double bound, params long[] size) =>
            NoiseSource.Uniform(key.Child(name).At(0, 0), size, (float)-bound, (float)bound, CPU);
    }

    /// <summary>Gap gains [sites, H]; null if no site has one.</summary>
    public static Tensor? Gains(NtmShape shape, RecurrentCell cell, NoiseKey key)
    {
        if (!cell.UsesP) return null;
        using var scope = NewDisposeScope();
        return stack(cell.Sites.Select((s, i) => GapGain.Initial(s, shape.Hidden, key.Child("p").Child((uint)i))).ToArray()).MoveToOuterDisposeScope();
    }
}
