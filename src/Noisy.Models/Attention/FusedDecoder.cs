using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What a decoder that attends is made of.</summary>
/// <param name="First">Takes the word; its state attends. Null: the state before attends, and the last cell takes the word too.</param>
/// <param name="Attention">The attention.</param>
/// <param name="Selector">Scales what was seen; null for none.</param>
/// <param name="SelectorWeight">The selector's product with the state that attends, [1, H].</param>
/// <param name="SelectorBias">[1].</param>
/// <param name="Last">Goes on from the state that attended; takes what was seen, after the word if there is no first cell.</param>
internal sealed record DecoderParts(
    NoisyCell? First, AdditiveAttention Attention, NoisyActivation? Selector, Tensor? SelectorWeight, Tensor? SelectorBias, NoisyCell Last);

/// <summary>What a decoder begins with and attends to.</summary>
/// <param name="Hidden">[B, H].</param>
/// <param name="Cell">[B, H]; null for a cell of one state.</param>
/// <param name="Keys">[S, B, A].</param>
/// <param name="Annotations">[S, B, C].</param>
/// <param name="Mask">[S, B], added to the scores; null for zeros.</param>
internal sealed record DecoderStart(Tensor Hidden, Tensor? Cell, Tensor Keys, Tensor Annotations, Tensor? Mask);

/// <summary>All time steps of a decoder that attends, whose words are known, as one node of torch's graph.</summary>
/// <remarks>The noise is that of single steps and of the composed backend, bit for bit.</remarks>
internal static class FusedDecoder
{
    /// <summary>Takes the steps, if the fused engine can.</summary>
    /// <param name="parts">The decoder.</param>
    /// <param name="words">What each step takes, [T, B, E].</param>
    /// <param name="start">Where it begins.</param>
    /// <param name="context">Mode, key, update and scale, at the first time step.</param>
    /// <returns>States [T, B, H], what was seen [T, B, C] and attention [T, S, B], owned by the caller; null if the steps are to be taken one by
    /// one.</returns>
    internal static (Tensor Hidden, Tensor Seen, Tensor Attention)? Run(DecoderParts parts, Tensor words, DecoderStart start, NoiseContext context)
    {
        var (first, last, attention, selector) = (parts.First, parts.Last, parts.Attention.Activation, parts.Selector);
        if (context.Mode == NoiseMode.ExactMean || last.Backend != Backend.Auto || attention.Backend != Backend.Auto
            || first is { Backend: not Backend.Auto } || selector is { Backend: not Backend.Auto }) return null;
        using var scope = NewDisposeScope();
        var own = selector?.Own(context) ?? context;
        Tensor?[] tensors =
        [
            words, start.Hidden, start.Cell, start.Keys, start.Annotations, start.Mask,
            parts.Attention.get_parameter("weight_query"), parts.Attention.get_parameter("score"), attention.Gains,
            parts.SelectorWeight, parts.SelectorBias,
            selector?.Gains is { requires_grad: true } p && !GapGain.Counts(selector.Spec, own) ? p.detach() : selector?.Gains,
            .. Weights(first), .. Weights(last),
        ];
        if (!tensors.All(t => t is null || FusedEngine.Takes(t)) || new[] { words, start.Keys, start.Annotations }.Any(t => t.numel() == 0)) return null;
        var call = new DecoderCall(
            first?.Cell, first?.Own(context) ?? context, first is null ? null : RecurrentKernel.Create(first.Cell, context.Scale, FusedEngine.Width),
            attention.Spec, attention.Own(context), selector?.Spec, own,
            last.Cell, last.Own(context), RecurrentKernel.Create(last.Cell, context.Scale, FusedEngine.Width),
            LinearKernel.Create(FusedEngine.Width), FusedEngine.Width, FusedEngine.Threads);
        last.LastBackend = FusedEngine.FusedName;
        if (first is not null) first.LastBackend = FusedEngine.FusedName;
        var results = DecoderFunction.Apply([.. tensors, call]);
        return (results[0].MoveToOuterDisposeScope(), results[1].MoveToOuterDisposeScope(), results[2].MoveToOuterDisposeScope());

        Tensor?[] Weights(NoisyCell? cell)
        {
            if (cell?.Weights is not { } w) return new Tensor?[DecoderFunction.OfCell];
            return [w.WeightIh, cell.Cell.InputBias(w), w.WeightHh, cell.Cell.RecurrentBias(w), cell.Cell.Gains(w.P, cell.Own(context))];
        }
    }
}

/// <summary>What a pass is besides tensors; contexts are those of the first time step.</summary>
internal sealed record DecoderCall(
    RecurrentCell? First, NoiseContext FirstContext, RecurrentKernel? FirstKernel, NoisyActivationSpec Attention, NoiseContext AttentionContext,
    NoisyActivationSpec? Selector, NoiseContext SelectorContext, RecurrentCell Last, NoiseContext LastContext, RecurrentKernel LastKernel,
    LinearKernel Linear, VectorWidth Width, int Threads)
    : FusedCall
{
    /// <summary>The attention of a time step.</summary>
    internal AttentionKernel AttentionAt(int step)
    {
        var context = AttentionContext.Later(step);
        return AttentionKernel.Create(Attention, context.Scale ?? Attention.C, Draws(context), NoiseModes.Constant(Attention, context.Mode), Width);
    }

    /// <summary>The selector's activation of a time step.</summary>
    internal ActivationKernel SelectorAt(int step)
    {
        var context = SelectorContext.Later(step);
        return new(Selector!, context.Scale ?? Selector!.C, Draws(context), NoiseModes.Constant(Selector!, context.Mode), Width);
    }

    private static NoiseStream? Draws(NoiseContext context) =>
        context.Mode == NoiseMode.Sample ? context.Key.At(context.Update, context.TimeStep) : null;
}

/// <summary>What the forward pass leaves for the backward pass.</summary>
internal sealed class DecoderTape : IDisposable
{
    /// <summary>States after each step [T, B, H]; those that attended, if a first cell made them.</summary>
    internal required Tensor Hidden { get; init; }

    /// <inheritdoc cref="Hidden"/>
    internal Tensor? Between { get; init; }

    /// <summary>Queries [T, B, A], and attention [T, S, B].</summary>
    internal required Tensor Queries { get; init; }

    /// <inheritdoc cref="Queries"/>
    internal required Tensor Attention { get; init; }

    /// <summary>What the last cell took of what was seen [T, B, C]; what was seen before the selector scaled it.</summary>
    internal required Tensor Seen { get; init; }

    /// <inheritdoc cref="Seen"/>
    internal Tensor? Unscaled { get; init; }

    /// <summary>The selector's pre-activations and values, [T, B].</summary>
    internal Tensor? SelectorInput { get; init; }

    /// <inheritdoc cref="SelectorInput"/>
    internal Tensor? Selected { get; init; }

    /// <summary>Of each time step.</summary>
    internal RecurrentTape?[] First { get; init; } = [];

    /// <inheritdoc cref="First"/>
    internal required RecurrentTape?[] Last { get; init; }

    public void Dispose()
    {
        foreach (var tensor in new[] { Hidden, Between, Queries, Attention, Seen, Unscaled, SelectorInput, Selected }) tensor?.Dispose();
        foreach (var tape in First.Concat(Last)) tape?.Dispose();
    }
}

/// <summary>Weights packed for one pass.</summary>
internal sealed unsafe class PassWeights : IDisposable
{
    private readonly List<NativeBuffer> buffers = [];

    /// <summary>Takes packed weights, to be given back at the end of the pass.</summary>
    internal float* Take(NativeBuffer buffer)
    {
        buffers.Add(buffer);
        return buffer.Start;
    }

    public void Dispose()
    {
        foreach (var buffer in buffers) BufferPool.Return(buffer);
        buffers.Clear();
    }
}
