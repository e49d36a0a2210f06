using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

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
    /// <exception cref="ArgumentException">What it begins with is not of the words' batch, or does not fit the decoder.</exception>
    internal static (Tensor Hidden, Tensor Seen, Tensor Attention)? Run(DecoderParts parts, Tensor words, DecoderStart start, NoiseContext context)
    {
        var (first, last, attention, selector) = (parts.First, parts.Last, parts.Attention.Activation, parts.Selector);
        Check(parts, words.shape[1], start);
        if (context.Mode == NoiseMode.ExactMean || last.Backend != Backend.Auto || attention.Backend != Backend.Auto
            || first is { Backend: not Backend.Auto } || selector is { Backend: not Backend.Auto }) return null;
        using var scope = NewDisposeScope();
        Tensor?[] tensors =
        [
            words, start.Hidden, start.Cell, start.Keys, start.Annotations, start.Mask,
            parts.Attention.get_parameter("weight_query"), parts.Attention.get_parameter("score"), Gains(attention),
            parts.SelectorWeight, parts.SelectorBias, Gains(selector), .. Weights(first), .. Weights(last),
        ];
        if (!tensors.All(t => t is null || FusedEngine.Takes(t)) || new[] { words, start.Keys, start.Annotations }.Any(t => t.numel() == 0)) return null;
        if (start.Mask is { requires_grad: true }) return null; // the kernel has no gradient for it
        long[] widths = [start.Keys.shape[0], start.Keys.shape[2], start.Annotations.shape[2], Gates(last), first is null ? 0 : Gates(first)];
        if (!FusedEngine.Fits(words.shape[0], words.shape[1], widths.Max())) return null;
        var call = new DecoderCall(
            first?.Cell, first?.Own(context) ?? context, first is null ? null : RecurrentKernel.Create(first.Cell, context.Scale, FusedEngine.Width),
            attention.Spec, attention.Own(context), selector?.Spec, selector?.Own(context) ?? context,
            last.Cell, last.Own(context), RecurrentKernel.Create(last.Cell, context.Scale, FusedEngine.Width),
            LinearKernel.Create(FusedEngine.Width), FusedEngine.Width, FusedEngine.Threads);
        last.LastBackend = attention.LastBackend = FusedEngine.FusedName;
        if (first is not null) first.LastBackend = FusedEngine.FusedName;
        if (selector is not null) selector.LastBackend = FusedEngine.FusedName;
        var results = DecoderFunction.Apply([.. tensors, call]);
        return (results[0].MoveToOuterDisposeScope(), results[1].MoveToOuterDisposeScope(), results[2].MoveToOuterDisposeScope());

        static long Gates(NoisyCell cell) => cell.Cell.Layout.Gates * cell.HiddenSize;

        // Without a gradient if they have no part in the pass.
        Tensor? Gains(NoisyActivation? activation)
        {
            if (activation?.Gains is not { } p) return null;
            return p.requires_grad && !GapGain.Counts(activation.Spec, activation.Own(context)) ? p.detach() : p;
        }

        Tensor?[] Weights(NoisyCell? cell)
        {
            if (cell?.Weights is not { } w) return new Tensor?[DecoderFunction.OfCell];
            return [w.WeightIh, cell.Cell.InputBias(w), w.WeightHh, cell.Cell.RecurrentBias(w), cell.Cell.Gains(w.P, cell.Own(context))];
        }
    }

    // The kernels read as many rows of each as there are sentences.
    private static void Check(DecoderParts parts, long batch, DecoderStart start)
    {
        var weights = parts.Last.Weights.WeightHh;
        Operand.State(weights, start.Hidden, "state", batch, parts.Last.HiddenSize);
        if (start.Cell is { } cell) Operand.State(weights, cell, "state", batch, parts.Last.HiddenSize);
        parts.Attention.CheckOver(start.Annotations, start.Keys, start.Mask);
        if (start.Annotations.shape[1] != batch)
            throw new ArgumentException($"annotations are {Operand.Shape(start.Annotations)}: must be [S, {batch}, C]", nameof(start));
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
        return AttentionKernel.Create(Attention, context.Scale ?? Attention.C, context.Draws, NoiseModes.Constant(Attention, context.Mode), Width);
    }

    /// <summary>The selector's activation of a time step.</summary>
    internal ActivationKernel SelectorAt(int step)
    {
        var context = SelectorContext.Later(step);
        return new(Selector!, context.Scale ?? Selector!.C, context.Draws, NoiseModes.Constant(Selector!, context.Mode), Width);
    }
}
