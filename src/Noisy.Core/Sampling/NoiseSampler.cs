namespace Noisy.Core;

/// <summary>Fills spans with draws of a <see cref="NoiseStream"/>; element i of the span is element first + i of the stream.</summary>
/// <remarks>Randomness: none beyond the stream's key. The same bits for every vector width and however the span is cut.</remarks>
public static class NoiseSampler
{
    /// <summary>Standard normal draws ξ.</summary>
    /// <param name="stream">Key, update and time step.</param>
    /// <param name="firstElement">Number of the first element; ≥ 0.</param>
    /// <param name="destination">Receives the draws.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="firstElement"/> is negative.</exception>
    public static void Normal(NoiseStream stream, long firstElement, Span<float> destination) =>
        Fill<NormalDraw>(stream, firstElement, destination);

    /// <summary>Half-normal draws |ξ|: the absolute values of what <see cref="Normal"/> gives.</summary>
    /// <inheritdoc cref="Normal"/>
    public static void HalfNormal(NoiseStream stream, long firstElement, Span<float> destination) =>
        Fill<HalfNormalDraw>(stream, firstElement, destination);

    /// <summary>Uniform draws in (0, 1).</summary>
    /// <inheritdoc cref="Normal"/>
    public static void Uniform(NoiseStream stream, long firstElement, Span<float> destination) =>
        Fill<UniformDraw>(stream, firstElement, destination);

    private static void Fill<TDraw>(NoiseStream stream, long first, Span<float> destination)
        where TDraw : struct, IDraw
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        var i = 0;

        // Whole groups, four draws a block; ragged ends element by element.
        while (i < destination.Length)
        {
            var element = first + i;
            if (element % NoiseStream.Group == 0 && destination.Length - i >= NoiseStream.Group)
            {
                var group = destination.Slice(i, NoiseStream.Group);
                var block = (uint)(element / NoiseStream.Group * 16);
                for (var lane = 0; lane < 16; lane++)
                {
                    var (w0, w1, w2, w3) = Philox.Block(stream.Key.K0, stream.Key.K1, block + (uint)lane,
                        (uint)stream.TimeStep, (uint)stream.Update, (uint)(stream.Update >> 32));
                    group[lane] = TDraw.Of(w0);
                    group[lane + 16] = TDraw.Of(w1);
                    group[lane + 32] = TDraw.Of(w2);
                    group[lane + 48] = TDraw.Of(w3);
                }

                i += NoiseStream.Group;
            }
            else
            {
                destination[i++] = TDraw.Of(stream.Word(element));
            }
        }
    }

    private interface IDraw
    {
        static abstract float Of(uint word);
    }

    private readonly struct NormalDraw : IDraw
    {
        public static float Of(uint word) => NoiseTransform.Normal(word);
    }

    private readonly struct HalfNormalDraw : IDraw
    {
        public static float Of(uint word) => NoiseTransform.HalfNormal(word);
    }

    private readonly struct UniformDraw : IDraw
    {
        public static float Of(uint word) => NoiseTransform.Uniform(word);
    }
}
