using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>What a sampler makes of random words: the scalar form is the specification, the vector form gives its bits.</summary>
internal interface INoiseDraw
{
    float Draw(uint word);

    /// <summary>Turns words, which come as the bits of numbers, into draws, in place.</summary>
    /// <param name="words">At least as many as the count.</param>
    /// <param name="scratch">Room for twice as many numbers.</param>
    /// <param name="count">A multiple of V.Count.</param>
    void Replace<V>(ref float words, ref float scratch, nuint count) where V : struct, ILanes<V>, IBitLanes<V>;
}

/// <summary>ξ.</summary>
internal readonly struct NormalDraw : INoiseDraw
{
    public float Draw(uint word) => NoiseTransform.Normal(word);

    [MethodImpl(AggressiveOptimization)]
    public void Replace<V>(ref float words, ref float scratch, nuint count) where V : struct, ILanes<V>, IBitLanes<V>
    {
        HalfNormalDraw.Quotients<V>(in words, ref scratch, count);
        for (nuint i = 0; i < count; i += (nuint)V.Count)
        {
            var word = V.Load(in words, i);
            (NoiseLanes.HalfNormal(word, V.Load(in scratch, i)) | NoiseLanes.Sign(word)).Store(ref words, i);
        }
    }
}

/// <summary>|ξ|.</summary>
internal readonly struct HalfNormalDraw : INoiseDraw
{
    public float Draw(uint word) => NoiseTransform.HalfNormal(word);

    [MethodImpl(AggressiveOptimization)]
    public void Replace<V>(ref float words, ref float scratch, nuint count) where V : struct, ILanes<V>, IBitLanes<V>
    {
        Quotients<V>(in words, ref scratch, count);
        for (nuint i = 0; i < count; i += (nuint)V.Count)
            NoiseLanes.HalfNormal(V.Load(in words, i), V.Load(in scratch, i)).Store(ref words, i);
    }

    /// <summary>What the uniform draws are multiplied by.</summary>
    /// <remarks>In some short loops, of which the processor overlaps more turns than of one as long as the whole formula, where each operation
    /// waits for the one before.</remarks>
    [MethodImpl(AggressiveOptimization)]
    internal static void Quotients<V>(ref readonly float words, ref float quotients, nuint count)
        where V : struct, ILanes<V>, IBitLanes<V>
    {
        ref var exponents = ref Unsafe.Add(ref quotients, count);
        for (nuint i = 0; i < count; i += (nuint)V.Count)
        {
            var (exponent, fraction) = NoiseLanes.Split(V.Load(in words, i));
            exponent.Store(ref exponents, i);
            fraction.Store(ref quotients, i);
        }

        for (nuint i = 0; i < count; i += (nuint)V.Count)
            NoiseLanes.MinusLog(V.Load(in exponents, i), V.Load(in quotients, i)).Store(ref quotients, i);
        for (nuint i = 0; i < count; i += (nuint)V.Count) NoiseLanes.Quotient(V.Load(in quotients, i)).Store(ref quotients, i);
    }
}

/// <summary>Uniform in (0, 1).</summary>
internal readonly struct UniformDraw : INoiseDraw
{
    public float Draw(uint word) => NoiseTransform.Uniform(word);

    [MethodImpl(AggressiveOptimization)]
    public void Replace<V>(ref float words, ref float scratch, nuint count) where V : struct, ILanes<V>, IBitLanes<V>
    {
        for (nuint i = 0; i < count; i += (nuint)V.Count) NoiseLanes.Uniform(V.Load(in words, i)).Store(ref words, i);
    }
}

/// <summary>0 where the uniform draw is below a probability, else 1 / (1 − probability).</summary>
internal readonly struct MaskDraw : INoiseDraw
{
    private readonly float threshold;
    private readonly float kept;

    internal MaskDraw(double probability)
    {
        kept = (float)(1 / (1 - probability));

        // Rounded up, so that a single-precision number is below it exactly when it is below the probability.
        threshold = (float)probability;
        if (threshold < probability) threshold = MathF.BitIncrement(threshold);
    }

    public float Draw(uint word) => NoiseTransform.Uniform(word) < threshold ? 0f : kept;

    [MethodImpl(AggressiveOptimization)]
    public void Replace<V>(ref float words, ref float scratch, nuint count) where V : struct, ILanes<V>, IBitLanes<V>
    {
        V threshold = this.threshold, kept = this.kept;
        for (nuint i = 0; i < count; i += (nuint)V.Count)
            ((NoiseLanes.Uniform(V.Load(in words, i)) >= threshold) & kept).Store(ref words, i);
    }
}
