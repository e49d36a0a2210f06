using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>Sums across the lanes of vectors, in an order that no vector width changes: as many partial sums as the widest
/// vector has lanes, each over every sixteenth element, and then a fixed tree.</summary>
internal static unsafe class LaneSums
{
    /// <summary>Partial sums.</summary>
    internal const int Count = Padding.Lanes;

    /// <summary>Sum of the partial sums.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static float Fold(float* partial)
    {
        var sum = (Vector128.Load(partial) + Vector128.Load(partial + 8)) + (Vector128.Load(partial + 4) + Vector128.Load(partial + 12));
        return (sum[0] + sum[2]) + (sum[1] + sum[3]);
    }

    /// <summary>Σ xᵢ.</summary>
    /// <param name="x">First element; the length is a multiple of <see cref="Count"/>.</param>
    /// <param name="length">Elements.</param>
    [MethodImpl(AggressiveOptimization)]
    internal static float Sum<V>(float* x, int length) where V : struct, ILanes<V>
    {
        var partial = stackalloc float[Count];
        for (nint lane = 0; lane < Count; lane += V.Count)
        {
            V sum = 0f;
            for (var i = lane; i < length; i += Count) sum += V.Load(in *(x + i), 0);
            sum.Store(ref *(partial + lane), 0);
        }

        return Fold(partial);
    }

    /// <summary>Σ xᵢ yᵢ.</summary>
    /// <param name="x">First element.</param>
    /// <param name="y">First element of the other.</param>
    /// <param name="length">Elements, any number.</param>
    [MethodImpl(AggressiveOptimization)]
    internal static float Dot<V>(float* x, float* y, int length) where V : struct, ILanes<V>
    {
        var partial = stackalloc float[Count];
        var whole = length / Count * Count;
        for (nint lane = 0; lane < Count; lane += V.Count)
        {
            V sum = 0f;
            for (var i = lane; i < whole; i += Count) sum = V.MultiplyAdd(V.Load(in *(x + i), 0), V.Load(in *(y + i), 0), sum);
            sum.Store(ref *(partial + lane), 0);
        }

        for (var i = whole; i < length; i++) partial[i - whole] = MathF.FusedMultiplyAdd(x[i], y[i], partial[i - whole]);
        return Fold(partial);
    }

    /// <summary>The greatest element; NaN only if the first one is. Of zeros, which differ in sign alone, it may be either.</summary>
    /// <param name="x">First element.</param>
    /// <param name="length">Elements, ≥ 1; any number.</param>
    [MethodImpl(AggressiveOptimization)]
    internal static float Max<V>(float* x, int length) where V : struct, ILanes<V>
    {
        // Four chains: one would wait for each comparison.
        var lanes = stackalloc float[Count];
        V most = x[0], second = most, third = most, fourth = most;
        nint i = 0;
        for (; i <= length - (4 * V.Count); i += 4 * V.Count)
        {
            most = V.Greater(V.Load(in *(x + i), 0), most);
            second = V.Greater(V.Load(in *(x + i), (nuint)V.Count), second);
            third = V.Greater(V.Load(in *(x + i), 2 * (nuint)V.Count), third);
            fourth = V.Greater(V.Load(in *(x + i), 3 * (nuint)V.Count), fourth);
        }

        V.Greater(V.Greater(most, second), V.Greater(third, fourth)).Store(ref *lanes, 0);
        var greatest = lanes[0];
        for (var lane = 1; lane < V.Count; lane++) greatest = lanes[lane] > greatest ? lanes[lane] : greatest;
        for (; i < length; i++) greatest = x[i] > greatest ? x[i] : greatest;
        return greatest;
    }
}
