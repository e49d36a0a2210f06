using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;
using Packed = TorchSharp.torch.nn.utils.rnn.PackedSequence;

namespace Noisy.Models;

/// <summary>
/// Layers, directions, dropout and parameters of a recurrent module; what a cell computes is its <see cref="RecurrentCell"/>.
/// </summary>
internal sealed class RecurrentLayers : IRecurrence
{
    private readonly nn.Module owner;
    private readonly RecurrentCell cell;
    private readonly ModuleNoise noise;

    /// <summary>Creates the parameters.</summary>
    /// <param name="owner">The module whose parameters these are; weights are looked up there by name at each pass, since
    /// torch replaces them when the module moves to another device.</param>
    /// <param name="shape">Sizes, layers, biases, dropout, directions.</param>
    /// <param name="cell">The cell.</param>
    /// <param name="noise">The module's address.</param>
    public RecurrentLayers(nn.Module owner, RecurrentShape shape, RecurrentCell cell, ModuleNoise noise)
    {
        Shape = shape.Validate();
        (this.owner, this.cell, this.noise) = (owner, cell, noise);
        for (var index = 0; index < Count; index++)
        {
            var inputs = index < shape.Directions ? shape.InputSize : shape.HiddenSize * shape.Directions;
            RecurrentWeights.Register(owner, cell, inputs, shape.HiddenSize, shape.Bias, noise.Init.Child((uint)index), Suffix(index));
        }
    }

    /// <inheritdoc/>
    public RecurrentCell Cell => cell;

    /// <inheritdoc/>
    public Backend Backend { get; set; } = FusedEngine.Default;

    /// <inheritdoc/>
    public string LastBackend { get; private set; } = FusedEngine.ComposedName;

    private int Count => Shape.NumLayers * Shape.Directions;

    /// <summary>Sizes, layers, biases, dropout, directions.</summary>
    public RecurrentShape Shape { get; }

    /// <summary>Runs all layers over a sequence.</summary>
    /// <param name="input">[T, B, I], or [B, T, I] if batch first; [T, I] for one example alone.</param>
    /// <param name="states">Initial states, each [layers × directions, B, H], or [layers × directions, H]; null starts from zeros.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>Output [T, B, H × directions] (or batch first, or without B), then final states; owned by the caller.</returns>
    public Tensor[] Run(Tensor input, Tensor[]? states, NoiseContext context)
    {
        Check(input, states);
        using var scope = NewDisposeScope();
        var alone = input.dim() == 2;
        if (alone) (input, states) = (input.unsqueeze(1), states?.Select(s => s.unsqueeze(1)).ToArray());
        var turned = Shape.BatchFirst && !alone;
        var x = turned ? input.transpose(0, 1) : input.alias();
        var (outputs, final) = Layers([x], [new(0, (int)x.shape[0], x.shape[1])], states, context);
        var output = turned ? outputs[0].transpose(0, 1) : alone ? outputs[0].squeeze(1) : outputs[0];
        return [output.MoveToOuterDisposeScope(), .. final.Select(f => (alone ? f.squeeze(1) : f).MoveToOuterDisposeScope())];
    }

    /// <summary>Runs all layers over examples of different lengths.</summary>
    /// <param name="input">Elements of width I.</param>
    /// <param name="states">Initial states, each [layers × directions, B, H], in the examples' own order; null starts from zeros.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>Output, packed as the input is, and final states, each example's after its own last element (or its first, of the
    /// backward direction), in the examples' own order; owned by the caller.</returns>
    public (Packed Output, Tensor[] States) Run(Packed input, Tensor[]? states, NoiseContext context)
    {
        Check(input, states);
        using var scope = NewDisposeScope();
        var segments = new PackedSegments(input);
        var start = states?.Select(segments.Sorted).ToArray();
        var (outputs, final) = Layers(segments.Split(), segments.All, start, context);
        return (segments.Join(outputs).MoveToOuterDisposeScope(), [.. final.Select(f => segments.Unsorted(f).MoveToOuterDisposeScope())]);
    }

    /// <summary>All layers over the segments of a sequence, [T, B, ·] each.</summary>
    private (Tensor[] Outputs, Tensor[] States) Layers(Tensor[] x, IReadOnlyList<PackedSegment> segments, Tensor[]? states, NoiseContext context)
    {
        context = noise.Own(context);
        var fused = Fuses(x[0], states, context);
        LastBackend = fused ? FusedEngine.FusedName : FusedEngine.ComposedName;
        if (!fused || segments.Count > 1)
        {
            states ??= Enumerable.Range(0, cell.Layout.States)
                .Select(_ => zeros(Count, segments[0].Batch, Shape.HiddenSize, device: x[0].device, dtype: x[0].dtype)).ToArray();
        }

        var finals = Enumerable.Range(0, cell.Layout.States).Select(_ => new Tensor[Count]).ToArray();
        for (var layer = 0; layer < Shape.NumLayers; layer++)
        {
            var drop = context.Child("layer").Child((uint)layer);
            if (layer > 0) x = [.. x.Select((part, i) => KeyedDropout.Apply(part, Shape.Dropout, drop.Later(segments[i].First)))];
            var outputs = new Tensor[Shape.Directions][];
            for (var direction = 0; direction < Shape.Directions; direction++)
            {
                var index = (layer * Shape.Directions) + direction;
                var start = states?.Select(s => s.select(0, index)).ToArray();
                (outputs[direction], var end) = Direction(index, x, segments, start, direction == 1, fused, context.Child((uint)index));
                for (var s = 0; s < end.Length; s++) finals[s][index] = end[s];
            }

            x = outputs.Length == 1 ? outputs[0] : [.. x.Select((_, i) => cat([outputs[0][i], outputs[1][i]], -1))];
        }

        return (x, [.. finals.Select(f => stack(f))]);
    }

    /// <summary>One layer in one direction. Ahead in time examples end and keep their states; backwards they join with their initial
    /// ones.</summary>
    private (Tensor[] Outputs, Tensor[] End) Direction(
        int index, Tensor[] x, IReadOnlyList<PackedSegment> segments, Tensor[]? start, bool backwards, bool fused, NoiseContext context)
    {
        var weights = Weights(index);
        weights = weights with { P = cell.Gains(weights.P, context) };
        var outputs = new Tensor[x.Length];
        var state = x.Length == 1 ? start : [.. start!.Select(s => s.narrow(0, 0, segments[backwards ? ^1 : 0].Batch))];
        List<Tensor[]> over = [];
        for (var n = 0; n < x.Length; n++)
        {
            var i = backwards ? x.Length - 1 - n : n;
            if (n > 0)
            {
                var (batch, before) = (segments[i].Batch, segments[backwards ? i + 1 : i - 1].Batch);
                if (!backwards) over.Insert(0, [.. state!.Select(s => s.narrow(0, batch, before - batch))]);
                state = backwards
                    ? [.. state!.Select((s, k) => cat([s, start![k].narrow(0, before, batch - before)], 0))]
                    : [.. state!.Select(s => s.narrow(0, 0, batch))];
            }

            var at = context.Later(segments[i].First);
            (outputs[i], state) = fused
                ? FusedRecurrent.Run(cell, weights, x[i], state, backwards, at)
                : cell.Run(weights, x[i], state!, backwards, at, new SiteAddress(noise, index));
        }

        return (outputs, [.. state!.Select((s, k) => over.Count == 0 ? s : cat([s, .. over.Select(o => o[k])], 0))]);
    }

    /// <summary>Whether a pass can go through the fused engine: not on other devices or types, not for means that only the scalar
    /// closed forms give, not for an empty batch, and not for what has 2 GiB or more.</summary>
    private bool Fuses(Tensor x, Tensor[]? states, NoiseContext context) =>
        Backend == Backend.Auto && context.Mode != NoiseMode.ExactMean && x.shape[1] > 0 && FusedEngine.Takes(x)
        && (states ?? []).All(FusedEngine.Takes) && FusedEngine.Takes(owner.get_parameter("weight_hh_l0")!)
        && Fits(Shape, cell.Layout.Gates, x.shape[0], x.shape[1]);

    /// <summary>Whether weights and outputs of every layer are small enough for the fused engine.</summary>
    internal static bool Fits(RecurrentShape shape, int gates, long steps, long batch)
    {
        var outputs = shape.HiddenSize * shape.Directions;
        return FusedEngine.Fits(gates, shape.HiddenSize, Math.Max(shape.InputSize, outputs)) && FusedEngine.Fits(steps, batch, outputs);
    }

    /// <summary>The weights of a layer in one direction, which count together.</summary>
    public RecurrentWeights Weights(int index) => RecurrentWeights.FromModule(owner, cell, Suffix(index));

    /// <inheritdoc/>
    public string SiteName(SiteAddress site) => $"{Suffix(site.Part)[1..]}.{cell.SiteNames[site.Site]}";

    /// <summary>End of the names of its parameters.</summary>
    public string Suffix(int index) =>
        $"_l{index / Shape.Directions}{(index % Shape.Directions == 1 ? "_reverse" : "")}";

    /// <summary>Checks a pass's input and states, and counts its time steps, before the clock does.</summary>
    /// <param name="input">As in <see cref="Run(Tensor, Tensor[], NoiseContext)"/>.</param>
    /// <param name="states">The same.</param>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public int TimeSteps(Tensor input, Tensor[]? states)
    {
        Check(input, states);
        return (int)input.shape[input.dim() == 3 && Shape.BatchFirst ? 1 : 0];
    }

    /// <inheritdoc cref="TimeSteps(Tensor, Tensor[])"/>
    public int TimeSteps(Packed input, Tensor[]? states)
    {
        Check(input, states);
        return (int)input.batch_sizes.shape[0];
    }

    private void Check(Tensor input, Tensor[]? states)
    {
        ArgumentNullException.ThrowIfNull(input);
        var fits = input.dim() is 2 or 3 && input.shape[^1] == Shape.InputSize && input.shape[input.dim() == 3 && Shape.BatchFirst ? 1 : 0] > 0;
        if (!fits)
        {
            var order = Shape.BatchFirst ? "B, T" : "T, B";
            throw new ArgumentException(
                $"input is {Operand.Shape(input)}: must be [{order}, {Shape.InputSize}] or [T, {Shape.InputSize}], with T >= 1", nameof(input));
        }

        Check(input, states, input.dim() == 2 ? [] : [input.shape[Shape.BatchFirst ? 0 : 1]]);
    }

    private void Check(Packed input, Tensor[]? states)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (input.data.dim() != 2 || input.data.shape[1] != Shape.InputSize)
            throw new ArgumentException($"the packed elements are {Operand.Shape(input.data)}: must be [N, {Shape.InputSize}]", nameof(input));
        Check(input.data, states, [input.batch_sizes.data<long>()[0]]);
    }

    private void Check(Tensor input, Tensor[]? states, long[] batch)
    {
        var weights = owner.get_parameter("weight_hh_l0")!;
        Operand.Like(weights, input, nameof(input));
        cell.CheckCount(states, nameof(states));
        foreach (var s in states ?? []) Operand.State(weights, s, nameof(states), [Count, .. batch, Shape.HiddenSize]);
    }
}
