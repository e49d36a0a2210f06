using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Everything that changes the shape of a recurrent module; names and defaults are torch's.</summary>
/// <param name="InputSize">Features of an input element, ≥ 1.</param>
/// <param name="HiddenSize">Units H of a layer, ≥ 1.</param>
/// <param name="NumLayers">Stacked layers, ≥ 1.</param>
/// <param name="BatchFirst">Whether input and output are [B, T, ·] instead of [T, B, ·].</param>
/// <param name="Dropout">Dropout on the output of every layer but the last, in [0, 1).</param>
/// <param name="Bidirectional">Whether each layer also runs backwards; outputs are then 2H wide.</param>
public sealed record RecurrentShape(
    long InputSize, long HiddenSize, int NumLayers = 1, bool BatchFirst = false, double Dropout = 0, bool Bidirectional = false)
{
    /// <summary>Directions a layer runs in: 1 or 2.</summary>
    public int Directions => Bidirectional ? 2 : 1;

    /// <summary>Checks every rule.</summary>
    /// <returns>This shape.</returns>
    /// <exception cref="InvalidSpecException">A rule is broken; the message names each.</exception>
    public RecurrentShape Validate()
    {
        List<string> broken = [];
        if (InputSize < 1) broken.Add($"input size is {InputSize}: must be >= 1");
        if (HiddenSize < 1) broken.Add($"hidden size is {HiddenSize}: must be >= 1");
        if (NumLayers < 1) broken.Add($"number of layers is {NumLayers}: must be >= 1");
        if (!(Dropout >= 0 && Dropout < 1)) broken.Add($"dropout is {Dropout}: must be in [0, 1)");
        return broken.Count == 0 ? this : throw new InvalidSpecException(broken);
    }
}

/// <summary>Recurrent layers of whatever cell, with as many states as the cell has.</summary>
internal interface IRecurrentLayers
{
    /// <summary>Sizes, layers, dropout, directions.</summary>
    RecurrentShape Shape { get; }

    /// <summary>Which implementation to run on.</summary>
    EnginePath Engine { get; set; }

    /// <summary>Which implementation the last pass ran on.</summary>
    string LastPath { get; }

    /// <summary>States of a cell: 2 for an LSTM (hidden, cell), 1 for a GRU.</summary>
    int States { get; }

    /// <summary>Runs the layers; see <see cref="NoisyRecurrent.Forward"/>.</summary>
    (Tensor Output, Tensor[] States) Forward(Tensor input, Tensor[]? states, NoiseContext context);
}

/// <summary>
/// Layers, directions, dropout and parameters of a recurrent module; what a cell computes is its <see cref="RecurrentCell"/>.
/// </summary>
internal sealed class NoisyRecurrent
{
    private readonly nn.Module owner;
    private readonly RecurrentCell cell;

    /// <summary>Creates the parameters and hands them to the module for registration.</summary>
    /// <param name="owner">The module whose parameters these are; weights are looked up there by name at each pass, since
    /// torch replaces them when the module moves to another device.</param>
    /// <param name="shape">Sizes, layers, dropout, directions.</param>
    /// <param name="cell">The cell's operator.</param>
    /// <param name="init">Key of the initial weights.</param>
    /// <param name="parameter">Registers a parameter.</param>
    /// <param name="buffer">Registers a buffer.</param>
    public NoisyRecurrent(
        nn.Module owner, RecurrentShape shape, RecurrentCell cell, NoiseKey init, Action<string, Parameter> parameter, Action<string, Tensor> buffer)
    {
        Shape = shape.Validate();
        this.owner = owner;
        this.cell = cell;
        for (var index = 0; index < Count; index++)
        {
            var inputs = index < shape.Directions ? shape.InputSize : shape.HiddenSize * shape.Directions;
            RecurrentWeights.Register(cell, inputs, shape.HiddenSize, init.Child((uint)index), Suffix(index), parameter, buffer);
        }
    }

    /// <summary>Which implementation is asked for.</summary>
    public EnginePath Engine { get; set; } = FusedEngine.Path;

    /// <summary>Which implementation the last pass ran on, by the name that summaries use.</summary>
    public string LastPath { get; private set; } = FusedEngine.ComposedName;

    /// <summary>States of the cell.</summary>
    public int States => cell.States;

    private int Count => Shape.NumLayers * Shape.Directions;

    /// <summary>Sizes, layers, dropout, directions.</summary>
    public RecurrentShape Shape { get; }

    /// <summary>Runs all layers over a sequence.</summary>
    /// <param name="input">[T, B, I], or [B, T, I] if batch first.</param>
    /// <param name="states">Initial states, each [layers × directions, B, H]; null starts from zeros.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>Output [T, B, H × directions] (or batch first) and final states.</returns>
    public (Tensor Output, Tensor[] States) Forward(Tensor input, Tensor[]? states, NoiseContext context)
    {
        Check(input, states);
        using var scope = NewDisposeScope();
        var x = Shape.BatchFirst ? input.transpose(0, 1) : input.alias();
        var batch = x.shape[1];
        var fused = Fuses(x, states, context);
        LastPath = fused ? FusedEngine.FusedName : FusedEngine.ComposedName;
        if (!fused)
        {
            states ??= Enumerable.Range(0, cell.States)
                .Select(_ => zeros(Count, batch, Shape.HiddenSize, device: x.device, dtype: x.dtype)).ToArray();
        }

        var finals = Enumerable.Range(0, cell.States).Select(_ => new Tensor[Count]).ToArray();
        for (var layer = 0; layer < Shape.NumLayers; layer++)
        {
            if (layer > 0) x = KeyedDropout.Apply(x, Shape.Dropout, context.Child("layer").Child((uint)layer));
            var outputs = new Tensor[Shape.Directions];
            for (var direction = 0; direction < Shape.Directions; direction++)
            {
                var index = (layer * Shape.Directions) + direction;
                var start = states?.Select(s => s.select(0, index)).ToArray();
                (outputs[direction], var end) = fused
                    ? FusedRecurrent.Run(cell, Weights(index), x, start, direction == 1, context.Child((uint)index))
                    : cell.Run(Weights(index), x, start!, direction == 1, context.Child((uint)index));
                for (var s = 0; s < end.Length; s++) finals[s][index] = end[s];
            }

            x = outputs.Length == 1 ? outputs[0] : cat(outputs, -1);
        }

        if (Shape.BatchFirst) x = x.transpose(0, 1);
        var final = finals.Select(f => stack(f).MoveToOuterDisposeScope()).ToArray();
        return (x.MoveToOuterDisposeScope(), final);
    }

    /// <summary>Whether a pass can go through the fused engine: not on other devices or types, and not for means that only
    /// the scalar closed forms give.</summary>
    private bool Fuses(Tensor x, Tensor[]? states, NoiseContext context) =>
        Engine == EnginePath.Auto && context.Mode != NoiseMode.ExactMean && FusedEngine.Takes(x) && (states ?? []).All(FusedEngine.Takes)
        && FusedEngine.Takes(owner.get_parameter("weight_hh_l0")!);

    private RecurrentWeights Weights(int index) => RecurrentWeights.Of(owner, cell, Suffix(index));

    private string Suffix(int index) =>
        $"_l{index / Shape.Directions}{(index % Shape.Directions == 1 ? "_reverse" : "")}";

    /// <summary>Time steps of an input.</summary>
    /// <param name="input">[T, B, I], or [B, T, I] if batch first.</param>
    /// <exception cref="ArgumentException">The input does not fit.</exception>
    public int Steps(Tensor input)
    {
        Check(input, null);
        return (int)input.shape[Shape.BatchFirst ? 1 : 0];
    }

    private void Check(Tensor input, Tensor[]? states)
    {
        if (input.dim() != 3 || input.shape[2] != Shape.InputSize || input.shape[0] == 0 || input.shape[1] == 0)
        {
            throw new ArgumentException(
                $"input is [{string.Join(", ", input.shape)}]: must be {(Shape.BatchFirst ? "[B, T, " : "[T, B, ")}{Shape.InputSize}] and not empty", nameof(input));
        }

        var batch = input.shape[Shape.BatchFirst ? 0 : 1];
        foreach (var s in states ?? [])
        {
            if (!s.shape.SequenceEqual([Count, batch, Shape.HiddenSize]))
                throw new ArgumentException($"initial state is [{string.Join(", ", s.shape)}]: must be [{Count}, {batch}, {Shape.HiddenSize}]", nameof(states));
        }
    }
}
