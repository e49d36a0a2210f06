using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>Exponentials of some numbers, added up relative to the greatest of them.</summary>
internal readonly record struct ExponentialSum(float Greatest, float Sum);

/// <summary>The logarithm of a sum of exponentials, in an order that no vector width changes.</summary>
internal static unsafe class LogSumExp
{
    /// <summary>Terms that are added up in single precision, relative to the greatest of them; whole panels of a <see cref="PackedMatrix"/>, however wide.</summary>
    internal const int Piece = 960;

    /// <summary>log Σ exp of numbers whose pieces are summed already.</summary>
    /// <param name="pieces">The pieces in their order, each of <see cref="Piece"/> numbers but the last.</param>
    internal static double Of(ReadOnlySpan<ExponentialSum> pieces)
    {
        var most = float.NegativeInfinity;
        foreach (var piece in pieces) most = Math.Max(most, piece.Greatest);
        var sum = 0.0;
        foreach (var piece in pieces) sum += piece.Sum * Math.Exp(piece.Greatest - (double)most);
        return most + Math.Log(sum);
    }

    /// <summary>How many pieces so many numbers are.</summary>
    internal static int Pieces(int length) => (length + Piece - 1) / Piece;

    /// <summary>A piece of the numbers.</summary>
    /// <param name="x">Its first number.</param>
    /// <param name="length">How many, 1 to <see cref="Piece"/>.</param>
    /// <param name="width">A definite vector width.</param>
    internal static ExponentialSum OfPiece(float* x, int length, VectorWidth width) => width switch
    {
        VectorWidth.Bits512 => OfPiece<Lanes16>(x, length),
        VectorWidth.Bits256 => OfPiece<Lanes8>(x, length),
        VectorWidth.Bits128 => OfPiece<Lanes4>(x, length),
        _ => OfPiece<Lanes1>(x, length),
    };

    private static ExponentialSum OfPiece<V>(float* x, int length) where V : struct, ILanes<V>
    {
        var most = LaneSums.Max<V>(x, length);
        return new(most, float.IsNegativeInfinity(most) ? 0 : Sum<V>(x, length, most)); // classes that a bias of −∞ excludes, and no others
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum<V>(float* x, int length, float most) where V : struct, ILanes<V>
    {
        var partial = stackalloc float[LaneSums.Count];
        var whole = length / LaneSums.Count * LaneSums.Count;
        for (nint lane = 0; lane < LaneSums.Count; lane += V.Count)
        {
            V sum = 0f;
            for (var i = lane; i < whole; i += LaneSums.Count) sum += Elementary.Exp(V.Load(in x[i], 0) - most).Value;
            sum.Store(ref partial[lane], 0);
        }

        var rest = stackalloc float[1];
        for (var i = whole; i < length; i++)
        {
            Elementary.Exp((Lanes1)(x[i] - most)).Value.Store(ref *rest, 0);
            partial[i - whole] += *rest;
        }

        return LaneSums.Fold(partial);
    }
}
