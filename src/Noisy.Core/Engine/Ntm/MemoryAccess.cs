using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>Reading from the memory and writing to it, forward and back.</summary>
/// <remarks>
/// A state of the memory has a row of slots for each number of a slot, so that slots are lanes, and a row of the slots' inverse
/// lengths 1/√(Σ M² + ε). Padding holds zeros in all but that row, as long as it does so at the start: no attention lies there.
/// </remarks>
internal static unsafe class MemoryAccess
{
    /// <summary>Added to a squared length, so that an empty slot has a cosine and a slope.</summary>
    internal const float LengthGuard = 1e-6f;

    /// <summary>The inverse lengths of a state.</summary>
    [MethodImpl(AggressiveOptimization)]
    internal static void Measure<V>(NtmDimensions size, float* memory) where V : struct, ILanes<V>
    {
        nint padded = size.PaddedSlots, width = size.Width;
        for (nint i = 0; i < padded; i += V.Count)
        {
            V sum = LengthGuard;
            for (nint m = 0; m < width; m++)
            {
                var x = V.Load(in *(memory + (m * padded) + i), 0);
                sum = V.MultiplyAdd(x, x, sum);
            }

            (1f / V.Sqrt(sum)).Store(ref *(memory + (width * padded) + i), 0);
        }
    }

    /// <summary>Σ over the slots of attention · slot.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="memory">State of the memory.</param>
    /// <param name="attention">Where the head attends.</param>
    /// <param name="to">Receives [M].</param>
    [MethodImpl(AggressiveOptimization)]
    internal static void Read<V>(NtmDimensions size, float* memory, float* attention, float* to) where V : struct, ILanes<V>
    {
        for (var m = 0; m < size.Width; m++) to[m] = LaneSums.Dot<V>(memory + ((nint)m * size.PaddedSlots), attention, size.PaddedSlots);
    }

    /// <summary>The backward pass through <see cref="Read"/>.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="memory">State of the memory.</param>
    /// <param name="attention">Where the head attends.</param>
    /// <param name="grad">Gradient in what was read.</param>
    /// <param name="gradMemory">Added to.</param>
    /// <param name="gradAttention">Added to.</param>
    [MethodImpl(AggressiveOptimization)]
    internal static void ReadBack<V>(NtmDimensions size, float* memory, float* attention, float* grad, float* gradMemory, float* gradAttention)
        where V : struct, ILanes<V>
    {
        nint padded = size.PaddedSlots, width = size.Width;
        for (nint i = 0; i < padded; i += V.Count)
        {
            var (sum, focus) = (V.Load(in *(gradAttention + i), 0), V.Load(in *(attention + i), 0));
            for (nint m = 0; m < width; m++)
            {
                var to = gradMemory + (m * padded) + i;
                sum = V.MultiplyAdd(grad[m], V.Load(in *(memory + (m * padded) + i), 0), sum);
                V.MultiplyAdd(grad[m], focus, V.Load(in *to, 0)).Store(ref *to, 0);
            }

            sum.Store(ref *(gradAttention + i), 0);
        }
    }

    /// <summary>M ← M (1 − attention · erase) + attention · add, and the new lengths.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="memory">State of the memory.</param>
    /// <param name="turn">Attention, erase and add vector.</param>
    /// <param name="next">Receives the new state.</param>
    [MethodImpl(AggressiveOptimization)]
    internal static void Write<V>(NtmDimensions size, float* memory, HeadTurn turn, float* next) where V : struct, ILanes<V>
    {
        nint padded = size.PaddedSlots, width = size.Width;
        var attention = turn.Attention;
        var erase = turn.Erase;
        var add = turn.Add;
        for (nint i = 0; i < padded; i += V.Count)
        {
            V focus = V.Load(in *(attention + i), 0), sum = LengthGuard;
            for (nint m = 0; m < width; m++)
            {
                var x = V.Load(in *(memory + (m * padded) + i), 0);
                x = V.MultiplyAdd(focus, V.MultiplyAdd(x, -erase[m], add[m]), x);
                sum = V.MultiplyAdd(x, x, sum);
                x.Store(ref *(next + (m * padded) + i), 0);
            }

            (1f / V.Sqrt(sum)).Store(ref *(next + (width * padded) + i), 0);
        }
    }

    /// <summary>The backward pass through <see cref="Write"/>.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="memory">State before the write.</param>
    /// <param name="turn">Attention, erase and add vector.</param>
    /// <param name="gradMemory">Gradient in the new state; receives the one in the old state.</param>
    /// <param name="gradAttention">Added to.</param>
    /// <param name="to">Receives the gradients in erase and add vector.</param>
    [MethodImpl(AggressiveOptimization)]
    internal static void WriteBack<V>(NtmDimensions size, float* memory, HeadTurn turn, float* gradMemory, float* gradAttention, HeadGradients to)
        where V : struct, ILanes<V>
    {
        nint padded = size.PaddedSlots;
        var attention = turn.Attention;
        var partial = stackalloc float[2 * LaneSums.Count];
        for (var m = 0; m < size.Width; m++)
        {
            var from = memory + (m * padded);
            var target = gradMemory + (m * padded);
            V erase = turn.Erase[m], add = turn.Add[m];
            for (nint lane = 0; lane < LaneSums.Count; lane += V.Count)
            {
                V sumAdd = 0f, sumErase = 0f;
                for (var i = lane; i < padded; i += LaneSums.Count)
                {
                    var (upstream, x, focus) = (V.Load(in *(target + i), 0), V.Load(in *(from + i), 0), V.Load(in *(attention + i), 0));
                    var (share, kept) = (upstream * focus, x * erase);
                    sumAdd += share;
                    sumErase = V.MultiplyAdd(share, x, sumErase);
                    V.MultiplyAdd(upstream, add - kept, V.Load(in *(gradAttention + i), 0)).Store(ref *(gradAttention + i), 0);
                    (upstream - (share * erase)).Store(ref *(target + i), 0);
                }

                sumAdd.Store(ref *(partial + lane), 0);
                sumErase.Store(ref *(partial + LaneSums.Count + lane), 0);
            }

            to.Add[m] = LaneSums.Fold(partial);
            to.Erase[m] = -LaneSums.Fold(partial + LaneSums.Count);
        }
    }
}
