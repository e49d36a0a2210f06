using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary><see cref="NoiseTransform"/> for vectors of random words: the same operations in the same order, so the same
/// bits. Words come as the bits of the lanes.</summary>
internal static class NoiseLanes
{
    /// <summary>Uniform in (0, 1).</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Uniform<V>(V words) where V : struct, ILanes<V>, IBitLanes<V> =>
        (V.FromIntegers(words >>> 9) + 0.5f) * 1.1920928955078125e-7f;

    /// <summary>First step of a half-normal draw: exponent and fraction of 1 − v², v the uniform draw of the word.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static (V Exponent, V Fraction) Split<V>(V words) where V : struct, ILanes<V>, IBitLanes<V>
    {
        var v = Uniform(words);
        return Elementary.Split((1f - v) * (1f + v));
    }

    /// <summary>Second step: w = −log(1 − v²).</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V MinusLog<V>(V exponent, V fraction) where V : struct, ILanes<V> => Elementary.Log(exponent, fraction) ^ Elementary.SignBit;

    /// <summary>Third step: erfinv(v) / v, by its polynomials in w.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Quotient<V>(V w) where V : struct, ILanes<V>, IBitLanes<V>
    {
        var t = w - 2.5f;
        V p = 2.81022636e-08f;
        p = V.MultiplyAdd(p, t, 3.43273939e-07f);
        p = V.MultiplyAdd(p, t, -3.5233877e-06f);
        p = V.MultiplyAdd(p, t, -4.39150654e-06f);
        p = V.MultiplyAdd(p, t, 0.00021858087f);
        p = V.MultiplyAdd(p, t, -0.00125372503f);
        p = V.MultiplyAdd(p, t, -0.00417768164f);
        p = V.MultiplyAdd(p, t, 0.246640727f);
        p = V.MultiplyAdd(p, t, 1.50140941f);

        // One draw in three hundred lies out there, so most vectors have none.
        var tail = w >= 5f;
        return V.Any(tail) ? V.Select(tail, Tail(w), p) : p;
    }

    /// <summary>Last step: |ξ|.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V HalfNormal<V>(V words, V quotient) where V : struct, ILanes<V>, IBitLanes<V> => quotient * Uniform(words) * 1.41421356f;

    /// <summary>The sign of a normal draw.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Sign<V>(V words) where V : struct, ILanes<V>, IBitLanes<V> => words << 31;

    [MethodImpl(AggressiveInlining)]
    private static V Tail<V>(V w) where V : struct, ILanes<V>, IBitLanes<V>
    {
        var t = V.Sqrt(w) - 3f;
        V p = -0.000200214257f;
        p = V.MultiplyAdd(p, t, 0.000100950558f);
        p = V.MultiplyAdd(p, t, 0.00134934322f);
        p = V.MultiplyAdd(p, t, -0.00367342844f);
        p = V.MultiplyAdd(p, t, 0.00573950773f);
        p = V.MultiplyAdd(p, t, -0.0076224613f);
        p = V.MultiplyAdd(p, t, 0.00943887047f);
        p = V.MultiplyAdd(p, t, 1.00167406f);
        return V.MultiplyAdd(p, t, 2.83297682f);
    }
}
