using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>exp(w) and exp(w) − 1.</summary>
internal readonly struct Exponential<V>(V value, V minusOne)
    where V : struct, ILanes<V>
{
    internal readonly V Value = value;
    internal readonly V MinusOne = minusOne;
}

/// <summary>Elementary functions in single precision, the same bits at every vector width.</summary>
/// <remarks>
/// <para>Formula: w = n ln 2 + r with |r| ≤ ln 2 / 2 (Cody and Waite's two-part reduction), exp(r) − 1 by its Taylor
/// polynomial of degree 8, whose first omitted term is below a fiftieth of a unit in the last place; exp(w) and exp(w) − 1
/// follow from it without cancellation. log(1 + e) = 2 artanh(e / (2 + e)) by its series.</para>
/// <para>Precision: within 4 units in the last place of single precision; results below exp(−87), 1.6e-38, are 0.
/// NaN in gives NaN out. Source: own.</para>
/// </remarks>
internal static class Elementary
{
    private const float Log2E = 1.44269504f;
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;
    private const float Shift = 12582912f; // 1.5 · 2²³: adding it rounds to an integer
    private const float Smallest = -87f;

    // Below this r is replaced by 0, since it may not be finite. It is not Smallest itself: if one comparison is used twice, the compiler turns its mask
    // into a vector at 512 bits, which costs a quarter of the exponential's time.
    private const float Unreduced = -88f;

    /// <summary>The smallest m that the logarithm halves, halved: half of the next number after √2.</summary>
    private const uint SmallestHalved = 0x3F3504F4;

    /// <summary>The bit that holds the sign.</summary>
    internal const float SignBit = -0f;

    /// <summary>|x|.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Abs<V>(V x) where V : struct, ILanes<V> => x & BitConverter.Int32BitsToSingle(0x7FFFFFFF);

    /// <summary>magnitude, negated where sign is negative (−0 included).</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V FlipBy<V>(V magnitude, V sign) where V : struct, ILanes<V> => magnitude ^ (sign & SignBit);

    /// <summary>exp(w) and exp(w) − 1 for w ≤ 0.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static Exponential<V> Exp<V>(V w) where V : struct, ILanes<V>
    {
        var (remainder, scale) = Reduce(w);
        return Join(Polynomial(remainder), scale);
    }

    /// <summary>First step of an exponential: r and 2ⁿ with w = n ln 2 + r, for w ≤ 0; where the exponential vanishes the second is 0 and the first finite.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static (V Remainder, V Scale) Reduce<V>(V w) where V : struct, ILanes<V>
    {
        var shifted = V.MultiplyAdd(w, Log2E, Shift);
        var n = shifted - Shift;
        var r = V.MultiplyAdd(n, -Ln2Low, V.MultiplyAdd(n, -Ln2High, w));
        return (V.WithoutBelow(w, Unreduced, r), V.WithoutBelow(w, Smallest, V.PowerOfTwo(shifted)));
    }

    /// <summary>Second step: exp(r) − 1.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Polynomial<V>(V r) where V : struct, ILanes<V>
    {
        V sum = 1f / 40320;
        sum = V.MultiplyAdd(sum, r, 1f / 5040);
        sum = V.MultiplyAdd(sum, r, 1f / 720);
        sum = V.MultiplyAdd(sum, r, 1f / 120);
        sum = V.MultiplyAdd(sum, r, 1f / 24);
        sum = V.MultiplyAdd(sum, r, 1f / 6);
        sum = V.MultiplyAdd(sum, r, 0.5f);
        return V.MultiplyAdd(sum, r * r, r);
    }

    /// <summary>Last step: the exponential.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static Exponential<V> Join<V>(V rest, V scale) where V : struct, ILanes<V> =>
        new(V.MultiplyAdd(scale, rest, scale), V.MultiplyAdd(scale, rest, scale - 1f));

    /// <summary>|tanh(z/2)| and |tanh(z/2)| sech²(z/2), of exp(−|z|): the noise scale of Eq. 9 and its slope are made of these.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static (V Tanh, V TanhSech2) HalfTanh<V>(Exponential<V> e) where V : struct, ILanes<V>
    {
        var inverse = 1f / (1f + e.Value);
        var tanh = Abs(e.MinusOne) * inverse;
        return (tanh, tanh * (4f * e.Value * (inverse * inverse)));
    }

    /// <summary>tanh(x) and its slope, of exp(−2 |x|).</summary>
    [MethodImpl(AggressiveInlining)]
    internal static (V Value, V Slope) Tanh<V>(V x, Exponential<V> e) where V : struct, ILanes<V>
    {
        var sum = 1f + e.Value;
        return (FlipBy(Abs(e.MinusOne) / sum, x), 4f * e.Value / (sum * sum));
    }

    /// <summary>tanh(x).</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Tanh<V>(V x) where V : struct, ILanes<V> => Tanh(x, Exp((x | SignBit) * 2f)).Value;

    /// <summary>Logistic sigmoid.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Sigmoid<V>(V x) where V : struct, ILanes<V> => Sigmoid(x, Exp(x | SignBit)).Value;

    /// <summary>Logistic sigmoid and its slope, of exp(−|x|).</summary>
    [MethodImpl(AggressiveInlining)]
    internal static (V Value, V Slope) Sigmoid<V>(V x, Exponential<V> e) where V : struct, ILanes<V>
    {
        var sum = 1f + e.Value;
        return (V.Select(x < 0f, e.Value, 1f) / sum, e.Value / (sum * sum));
    }

    /// <summary>log(1 + exp(x)) and its slope, the logistic sigmoid.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static (V Value, V Slope) Softplus<V>(V x) where V : struct, ILanes<V>
    {
        var exp = Exp(x | SignBit).Value;
        var negative = x < 0f;
        return (V.Select(negative, 0f, x) + LogOnePlus(exp), V.Select(negative, exp, 1f) / (1f + exp));
    }

    /// <summary>log(1 + e) for e in [0, 1].</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V LogOnePlus<V>(V e) where V : struct, ILanes<V>
    {
        var s = e / (2f + e);
        var z = s * s;
        V sum = 2f / 15;
        sum = V.MultiplyAdd(sum, z, 2f / 13);
        sum = V.MultiplyAdd(sum, z, 2f / 11);
        sum = V.MultiplyAdd(sum, z, 2f / 9);
        sum = V.MultiplyAdd(sum, z, 2f / 7);
        sum = V.MultiplyAdd(sum, z, 2f / 5);
        sum = V.MultiplyAdd(sum, z, 2f / 3);
        return V.MultiplyAdd(sum * z, s, s + s);
    }

    /// <summary>Natural logarithm of a positive normal number.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Log<V>(V x) where V : struct, ILanes<V>, IBitLanes<V>
    {
        var (exponent, fraction) = Split(x);
        return Log(exponent, fraction);
    }

    /// <summary>n and m − 1 of a positive normal number m 2ⁿ with m in [√½, √2].</summary>
    [MethodImpl(AggressiveInlining)]
    internal static (V Exponent, V Fraction) Split<V>(V x) where V : struct, ILanes<V>, IBitLanes<V>
    {
        // The specification halves m and counts n up where m > √2. Counting the bits of x from the smallest halved m on gives
        // that n and that m without a comparison; both are exact there and here.
        var bits = V.AddBits(x, V.Bits(unchecked(0u - SmallestHalved)));
        return (V.FromIntegers(bits >> 23), V.AddBits(bits & V.Bits(0x007FFFFF), V.Bits(SmallestHalved)) - 1f);
    }

    /// <summary>Natural logarithm of the number that <see cref="Split"/> took, to about one unit in the last place: the bits of
    /// <see cref="NoiseTransform"/>, which says where the polynomial is from.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Log<V>(V exponent, V fraction) where V : struct, ILanes<V>
    {
        var square = fraction * fraction;
        V p = 7.0376836292e-2f;
        p = V.MultiplyAdd(p, fraction, -1.1514610310e-1f);
        p = V.MultiplyAdd(p, fraction, 1.1676998740e-1f);
        p = V.MultiplyAdd(p, fraction, -1.2420140846e-1f);
        p = V.MultiplyAdd(p, fraction, 1.4249322787e-1f);
        p = V.MultiplyAdd(p, fraction, -1.6668057665e-1f);
        p = V.MultiplyAdd(p, fraction, 2.0000714765e-1f);
        p = V.MultiplyAdd(p, fraction, -2.4999993993e-1f);
        p = V.MultiplyAdd(p, fraction, 3.3333331174e-1f);
        p = p * fraction * square;
        p = V.MultiplyAdd(exponent, -2.12194440e-4f, p);
        p = V.MultiplyAdd(square, -0.5f, p);
        return V.MultiplyAdd(exponent, 0.693359375f, p + fraction);
    }
}
