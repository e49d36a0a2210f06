using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>Where a head attends: by content, by its last place, moved and sharpened; forward and back.</summary>
/// <remarks>
/// With k the key, β the strength, g the gate, s the shifts, γ the sharpening and v the attention of the last time step:
/// c = softmax(β cosine(k, M)), a = g c + (1 − g) v, ãᵢ = s₋₁ aᵢ₊₁ + s₀ aᵢ + s₁ aᵢ₋₁ round the circle, attention =
/// softmax(γ log(ã + ε)). The slots are the lanes. Source: Graves, Wayne, Danihelka, "Neural Turing Machines", 2014, Section 3.3.
/// </remarks>
internal static unsafe class Addressing
{
    /// <summary>Added to an attention before its logarithm.</summary>
    internal const float LogGuard = 1e-16f;

    /// <summary>Attention of a head.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="memory">State of the memory.</param>
    /// <param name="before">Attention of the last time step.</param>
    /// <param name="turn">Parameters of the head; receives the stages.</param>
    internal static void Forward<V>(NtmDimensions size, float* memory, float* before, HeadTurn turn)
        where V : struct, ILanes<V>, IBitLanes<V>
    {
        Similarity<V>(size, memory, turn);
        Interpolate<V>(size, before, turn);
        ShiftRound<V>(size, turn);
        Sharpen<V>(size, turn);
    }

    /// <summary>The backward pass through <see cref="Forward"/>.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="memory">State of the memory.</param>
    /// <param name="before">Attention of the last time step.</param>
    /// <param name="turn">What the forward pass left.</param>
    /// <param name="grad">Gradient in the attention; receives the one in the attention of the last time step.</param>
    /// <param name="gradMemory">Added to.</param>
    /// <param name="to">Receives the gradients in key and scalars.</param>
    /// <param name="room">Scratch: <see cref="RoomLength"/> floats.</param>
    internal static void Backward<V>(
        NtmDimensions size, float* memory, float* before, HeadTurn turn, float* grad, float* gradMemory, HeadGradients to, float* room)
        where V : struct, ILanes<V>
    {
        var padded = size.PaddedSlots;
        var shifted = room + HeadTurn.Halo;
        SharpenBack<V>(size, turn, grad, shifted, to);
        ShiftBack<V>(size, turn, shifted, grad, to);
        InterpolateBack<V>(size, before, turn, grad, shifted, to);
        SimilarityBack<V>(size, memory, turn, shifted, shifted + padded, gradMemory, to);
    }

    /// <summary>Floats of scratch.</summary>
    internal static int RoomLength(NtmDimensions size) => (2 * size.PaddedSlots) + (2 * HeadTurn.Halo);

    /// <summary>Inverse length of the key.</summary>
    private static float InverseLength(NtmDimensions size, HeadTurn turn)
    {
        var sum = 0f;
        for (var i = 0; i < size.Width; i++) sum += turn.Key[i] * turn.Key[i];
        return 1 / MathF.Sqrt(sum + MemoryAccess.LengthGuard);
    }

    /// <summary>Cosine of key and slots.</summary>
    [MethodImpl(AggressiveOptimization)]
    private static void Similarity<V>(NtmDimensions size, float* memory, HeadTurn turn) where V : struct, ILanes<V>
    {
        nint padded = size.PaddedSlots, width = size.Width;
        var key = turn.Key;
        var to = turn.Similarity;
        var lengths = memory + (width * padded);
        var inverse = InverseLength(size, turn);
        for (nint i = 0; i < padded; i += V.Count)
        {
            V sum = 0f;
            for (nint m = 0; m < width; m++) sum = V.MultiplyAdd(key[m], V.Load(in *(memory + (m * padded) + i), 0), sum);
            (sum * inverse * V.Load(in *(lengths + i), 0)).Store(ref *(to + i), 0);
        }
    }

    /// <summary>Attention by content, and its mixture with the last one.</summary>
    [MethodImpl(AggressiveOptimization)]
    private static void Interpolate<V>(NtmDimensions size, float* before, HeadTurn turn) where V : struct, ILanes<V>
    {
        nint padded = size.PaddedSlots;
        var strength = turn.Scalars[NtmDimensions.Strength];
        var gate = turn.Scalars[NtmDimensions.Gate];
        var content = turn.Content;
        var gated = turn.Gated;
        Softmax<V>(size, turn.Similarity, strength, LaneSums.Max<V>(turn.Similarity, size.Slots), content);
        for (nint i = 0; i < padded; i += V.Count)
            V.MultiplyAdd(gate, V.Load(in *(content + i), 0), V.Load(in *(before + i), 0) * (1 - gate)).Store(ref *(gated + i), 0);
        gated[size.PaddedSlots] = 0;
        gated[-1] = gated[size.Slots - 1];
        gated[size.Slots] = gated[0];
    }

    /// <summary>Attention moved round the circle, and its logarithm.</summary>
    [MethodImpl(AggressiveOptimization)]
    private static void ShiftRound<V>(NtmDimensions size, HeadTurn turn) where V : struct, ILanes<V>, IBitLanes<V>
    {
        nint padded = size.PaddedSlots;
        var gated = turn.Gated;
        var shifted = turn.Shifted;
        var log = turn.Log;
        var shift = turn.Scalars + NtmDimensions.Shift;
        for (nint i = 0; i < padded; i += V.Count)
        {
            var sum = V.Load(in *(gated + i - 1), 0) * shift[2];
            sum = V.MultiplyAdd(shift[1], V.Load(in *(gated + i), 0), sum);
            sum = V.MultiplyAdd(shift[0], V.Load(in *(gated + i + 1), 0), sum) + LogGuard;
            sum.Store(ref *(shifted + i), 0);
            Elementary.Log(sum).Store(ref *(log + i), 0);
        }
    }

    [MethodImpl(AggressiveOptimization)]
    private static void Sharpen<V>(NtmDimensions size, HeadTurn turn) where V : struct, ILanes<V>
    {
        nint padded = size.PaddedSlots;
        var log = turn.Log;
        var greatest = LaneSums.Max<V>(log, size.Slots);
        for (nint i = 0; i < padded; i += V.Count) (V.Load(in *(log + i), 0) - greatest).Store(ref *(log + i), 0);
        Softmax<V>(size, log, turn.Scalars[NtmDimensions.Sharpening], 0, turn.Attention);
    }

    /// <summary>Softmax of factor · x, zeros in the padding.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="x">The row.</param>
    /// <param name="factor">Positive.</param>
    /// <param name="greatest">The greatest element of x.</param>
    /// <param name="to">Receives the softmax.</param>
    [MethodImpl(AggressiveOptimization)]
    private static void Softmax<V>(NtmDimensions size, float* x, float factor, float greatest, float* to) where V : struct, ILanes<V>
    {
        nint padded = size.PaddedSlots;
        for (nint i = 0; i < padded; i += V.Count)
            Elementary.Exp((V.Load(in *(x + i), 0) - greatest) * factor).Value.Store(ref *(to + i), 0);
        ClearPadding(size, to);
        var inverse = 1 / LaneSums.Sum<V>(to, size.PaddedSlots);
        for (nint i = 0; i < padded; i += V.Count) (V.Load(in *(to + i), 0) * inverse).Store(ref *(to + i), 0);
    }

    /// <summary>From the attention to the row that was shifted; also the gradient in the sharpening.</summary>
    [MethodImpl(AggressiveOptimization)]
    private static void SharpenBack<V>(NtmDimensions size, HeadTurn turn, float* grad, float* gradShifted, HeadGradients to) where V : struct, ILanes<V>
    {
        nint padded = size.PaddedSlots;
        var attention = turn.Attention;
        var log = turn.Log;
        var shifted = turn.Shifted;
        var sharpening = turn.Scalars[NtmDimensions.Sharpening];
        var mean = LaneSums.Dot<V>(attention, grad, size.PaddedSlots);
        for (nint i = 0; i < padded; i += V.Count)
            (V.Load(in *(attention + i), 0) * (V.Load(in *(grad + i), 0) - mean)).Store(ref *(gradShifted + i), 0);
        to.Scalars[NtmDimensions.Sharpening] = LaneSums.Dot<V>(gradShifted, log, size.PaddedSlots);
        for (nint i = 0; i < padded; i += V.Count)
            (V.Load(in *(gradShifted + i), 0) * sharpening / V.Load(in *(shifted + i), 0)).Store(ref *(gradShifted + i), 0);
    }

    /// <summary>From the shifted row to the one before; also the gradients in the shifts.</summary>
    [MethodImpl(AggressiveOptimization)]
    private static void ShiftBack<V>(NtmDimensions size, HeadTurn turn, float* gradShifted, float* gradGated, HeadGradients to) where V : struct, ILanes<V>
    {
        nint padded = size.PaddedSlots;
        var gated = turn.Gated;
        var shift = turn.Scalars + NtmDimensions.Shift;
        for (var s = 0; s < 3; s++) to.Scalars[NtmDimensions.Shift + s] = LaneSums.Dot<V>(gradShifted, gated + 1 - s, size.PaddedSlots);
        gradShifted[-1] = gradShifted[size.Slots - 1];
        gradShifted[size.Slots] = gradShifted[0];
        for (nint i = 0; i < padded; i += V.Count)
        {
            var sum = V.Load(in *(gradShifted + i - 1), 0) * shift[0];
            sum = V.MultiplyAdd(shift[1], V.Load(in *(gradShifted + i), 0), sum);
            V.MultiplyAdd(shift[2], V.Load(in *(gradShifted + i + 1), 0), sum).Store(ref *(gradGated + i), 0);
        }

        ClearPadding(size, gradGated);
    }

    /// <summary>From the mixture to the cosines and to the last attention; also the gradients in gate and strength.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="before">Attention of the last time step.</param>
    /// <param name="turn">What the forward pass left.</param>
    /// <param name="grad">Gradient in the mixture; receives the one in the last attention.</param>
    /// <param name="gradSimilarity">Receives the gradient in the cosines.</param>
    /// <param name="to">Receives the gradients in gate and strength.</param>
    [MethodImpl(AggressiveOptimization)]
    private static void InterpolateBack<V>(NtmDimensions size, float* before, HeadTurn turn, float* grad, float* gradSimilarity, HeadGradients to)
        where V : struct, ILanes<V>
    {
        nint padded = size.PaddedSlots;
        var content = turn.Content;
        var strength = turn.Scalars[NtmDimensions.Strength];
        var gate = turn.Scalars[NtmDimensions.Gate];
        var mean = LaneSums.Dot<V>(content, grad, size.PaddedSlots);
        to.Scalars[NtmDimensions.Gate] = mean - LaneSums.Dot<V>(before, grad, size.PaddedSlots);
        for (nint i = 0; i < padded; i += V.Count)
        {
            var upstream = V.Load(in *(grad + i), 0);
            (V.Load(in *(content + i), 0) * (upstream - mean) * gate).Store(ref *(gradSimilarity + i), 0);
            (upstream * (1 - gate)).Store(ref *(grad + i), 0);
        }

        to.Scalars[NtmDimensions.Strength] = LaneSums.Dot<V>(gradSimilarity, turn.Similarity, size.PaddedSlots);
        for (nint i = 0; i < padded; i += V.Count) (V.Load(in *(gradSimilarity + i), 0) * strength).Store(ref *(gradSimilarity + i), 0);
    }

    /// <summary>From the cosines to the key and the memory.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="memory">State of the memory.</param>
    /// <param name="turn">What the forward pass left.</param>
    /// <param name="grad">Gradient in the cosines; receives the one in the products of key and slots.</param>
    /// <param name="pull">Scratch: what a slot's own length takes from the gradient in it.</param>
    /// <param name="gradMemory">Added to.</param>
    /// <param name="to">Receives the gradient in the key.</param>
    [MethodImpl(AggressiveOptimization)]
    private static void SimilarityBack<V>(
        NtmDimensions size, float* memory, HeadTurn turn, float* grad, float* pull, float* gradMemory, HeadGradients to)
        where V : struct, ILanes<V>
    {
        nint padded = size.PaddedSlots, width = size.Width;
        var key = turn.Key;
        var lengths = memory + (width * padded);
        var inverse = InverseLength(size, turn);
        var ownPull = inverse * inverse * LaneSums.Dot<V>(grad, turn.Similarity, size.PaddedSlots);
        for (nint i = 0; i < padded; i += V.Count)
        {
            var (upstream, length) = (V.Load(in *(grad + i), 0), V.Load(in *(lengths + i), 0));
            (upstream * V.Load(in *(turn.Similarity + i), 0) * length * length).Store(ref *(pull + i), 0);
            (upstream * length * inverse).Store(ref *(grad + i), 0);
        }

        var partial = stackalloc float[LaneSums.Count];
        for (nint m = 0; m < width; m++)
        {
            var from = memory + (m * padded);
            var target = gradMemory + (m * padded);
            var part = key[m];
            for (nint lane = 0; lane < LaneSums.Count; lane += V.Count)
            {
                V sum = 0f;
                for (var i = lane; i < padded; i += LaneSums.Count)
                {
                    var (slot, product) = (V.Load(in *(from + i), 0), V.Load(in *(grad + i), 0));
                    sum = V.MultiplyAdd(product, slot, sum);
                    var change = V.MultiplyAdd(product, part, V.Load(in *(target + i), 0));
                    (change - (slot * V.Load(in *(pull + i), 0))).Store(ref *(target + i), 0);
                }

                sum.Store(ref *(partial + lane), 0);
            }

            to.Key[m] = LaneSums.Fold(partial) - (part * ownPull);
        }
    }

    private static void ClearPadding(NtmDimensions size, float* row)
    {
        for (var i = size.Slots; i < size.PaddedSlots; i++) row[i] = 0;
    }
}
