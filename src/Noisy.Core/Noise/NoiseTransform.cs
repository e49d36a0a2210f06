namespace Noisy.Core;

/// <summary>From a random word to a draw, in single precision: the specification of every sampler.</summary>
/// <remarks>
/// Only correctly rounded operations (add, multiply, fused multiply-add, square root) and integer arithmetic are used, in a
/// fixed order, so that every vector width and every device can give the same bits.
/// The uniform has 23 bits and is centred, (k + ½) 2⁻²³: it is exact in single precision and never 0 or 1.
/// </remarks>
internal static class NoiseTransform
{
    /// <summary>Uniform in (0, 1).</summary>
    /// <param name="word">A random word.</param>
    public static float Uniform(uint word) => ((word >> 9) + 0.5f) * 1.1920928955078125e-7f;

    /// <summary>Half-normal |ξ|: the inverse of its distribution function at <see cref="Uniform"/>.</summary>
    /// <param name="word">A random word.</param>
    /// <returns>A positive number, at most 5.42.</returns>
    /// <remarks>
    /// √2 · erfinv(v) with the single-precision polynomials of M. Giles, "Approximating the erfinv function", GPU Computing
    /// Gems Jade Edition, 2011. Relative error below 2e-6.
    /// </remarks>
    public static float HalfNormal(uint word)
    {
        var v = Uniform(word);
        var w = -Log((1f - v) * (1f + v));
        float p;
        if (w < 5f)
        {
            var t = w - 2.5f;
            p = 2.81022636e-08f;
            p = MathF.FusedMultiplyAdd(p, t, 3.43273939e-07f);
            p = MathF.FusedMultiplyAdd(p, t, -3.5233877e-06f);
            p = MathF.FusedMultiplyAdd(p, t, -4.39150654e-06f);
            p = MathF.FusedMultiplyAdd(p, t, 0.00021858087f);
            p = MathF.FusedMultiplyAdd(p, t, -0.00125372503f);
            p = MathF.FusedMultiplyAdd(p, t, -0.00417768164f);
            p = MathF.FusedMultiplyAdd(p, t, 0.246640727f);
            p = MathF.FusedMultiplyAdd(p, t, 1.50140941f);
        }
        else
        {
            var t = MathF.Sqrt(w) - 3f;
            p = -0.000200214257f;
            p = MathF.FusedMultiplyAdd(p, t, 0.000100950558f);
            p = MathF.FusedMultiplyAdd(p, t, 0.00134934322f);
            p = MathF.FusedMultiplyAdd(p, t, -0.00367342844f);
            p = MathF.FusedMultiplyAdd(p, t, 0.00573950773f);
            p = MathF.FusedMultiplyAdd(p, t, -0.0076224613f);
            p = MathF.FusedMultiplyAdd(p, t, 0.00943887047f);
            p = MathF.FusedMultiplyAdd(p, t, 1.00167406f);
            p = MathF.FusedMultiplyAdd(p, t, 2.83297682f);
        }

        return p * v * 1.41421356f;
    }

    /// <summary>Standard normal ξ: <see cref="HalfNormal"/> with the word's lowest bit as sign, so that |ξ| is the
    /// half-normal draw of the same word.</summary>
    /// <param name="word">A random word.</param>
    public static float Normal(uint word) =>
        BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(HalfNormal(word)) | (word << 31));

    /// <summary>Natural logarithm of a positive normal number, to about one unit in the last place.</summary>
    private static float Log(float x)
    {
        // x = m 2^e with m in [√½, √2); then the Cephes library's polynomial for log(1 + f), f = m − 1.
        var bits = BitConverter.SingleToUInt32Bits(x);
        var e = (float)((int)(bits >> 23) - 127);
        var m = BitConverter.UInt32BitsToSingle((bits & 0x007FFFFF) | 0x3F800000);
        if (m > 1.41421356f)
        {
            m *= 0.5f;
            e += 1f;
        }

        var f = m - 1f;
        var z = f * f;
        var p = 7.0376836292e-2f;
        p = MathF.FusedMultiplyAdd(p, f, -1.1514610310e-1f);
        p = MathF.FusedMultiplyAdd(p, f, 1.1676998740e-1f);
        p = MathF.FusedMultiplyAdd(p, f, -1.2420140846e-1f);
        p = MathF.FusedMultiplyAdd(p, f, 1.4249322787e-1f);
        p = MathF.FusedMultiplyAdd(p, f, -1.6668057665e-1f);
        p = MathF.FusedMultiplyAdd(p, f, 2.0000714765e-1f);
        p = MathF.FusedMultiplyAdd(p, f, -2.4999993993e-1f);
        p = MathF.FusedMultiplyAdd(p, f, 3.3333331174e-1f);
        p = p * f * z;
        p = MathF.FusedMultiplyAdd(e, -2.12194440e-4f, p);
        p = MathF.FusedMultiplyAdd(z, -0.5f, p);
        return MathF.FusedMultiplyAdd(e, 0.693359375f, p + f);
    }
}
