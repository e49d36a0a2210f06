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
        return AttentionKernel.Create(Attention, context.Scale ?? Attention.C, context.Draws, NoiseModes.Constant(Attention, context.Mode), Width);
    }

    /// <summary>The selector's activation of a time step.</summary>
    internal ActivationKernel SelectorAt(int step)
    {
        var context = SelectorContext.Later(step);
        return new(Selector!, context.Scale ?? Selector!.C, context.Draws, NoiseModes.Constant(Selector!, context.Mode), Width);
    }
}
