using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>The logarithm of a sum of exponentials, in an order that no vector width changes.</summary>
internal static unsafe class LogSumExp
{
    // Terms that are added up in single precision.
    private const int Piece = 1024;

    /// <summary>log Σ exp(xᵢ).</summary>
    /// <param name="x">First of the numbers.</param>
    /// <param name="length">How many, ≥ 1.</param>
    /// <param name="width">A definite vector width.</param>
    internal static double Of(float* x, int length, VectorWidth width) => width switch
    {
        VectorWidth.Bits512 => Of<Lanes16>(x, length),
        VectorWidth.Bits256 => Of<Lanes8>(x, length),
        VectorWidth.Bits128 => Of<Lanes4>(x, length),
        _ => Of<Lanes1>(x, length),
    };

    private static double Of<V>(float* x, int length) where V : struct, ILanes<V>
    {
        var most = LaneSums.Max<V>(x, length);
        var sum = 0.0;
        for (var first = 0; first < length; first += Piece) sum += Sum<V>(x + first, Math.Min(Piece, length - first), most);
        return most + Math.Log(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum<V>(float* x, int length, float most) where V : struct, ILanes<V>
    {
        var partial = stackalloc float[LaneSums.Count];
        var whole = length / LaneSums.Count * LaneSums.Count;
        for (nint lane = 0; lane < LaneSums.Count; lane += V.Count)
        {
            V sum = 0f;
            for (var i = lane; i < whole; i += LaneSums.Count) sum += Elementary.Exp(V.Load(in x[i], 0) - most).Exp;
            sum.Store(ref partial[lane], 0);
        }

        var rest = stackalloc float[1];
        for (var i = whole; i < length; i++)
        {
            Elementary.Exp((Lanes1)(x[i] - most)).Exp.Store(ref *rest, 0);
            partial[i - whole] += *rest;
        }

        return LaneSums.Fold(partial);
    }
}
