namespace Noisy.Core;

/// <summary>Fills spans with draws of a <see cref="NoiseStream"/>; element i of the span is element first + i of the stream.</summary>
/// <remarks>Randomness: none beyond the stream's key. The same bits for every vector width and however the span is cut; what
/// they are is defined by <see cref="NoiseStream.Word"/> and <see cref="NoiseTransform"/>. Nothing is allocated. A span is
/// made by groups of 64 elements of the stream, so pieces of fewer cost as much as a group.</remarks>
public static class NoiseSampler
{
    /// <summary>Standard normal draws ξ.</summary>
    /// <param name="stream">Key, update and time step.</param>
    /// <param name="firstElement">Number of the first element; ≥ 0.</param>
    /// <param name="destination">Receives the draws.</param>
    /// <param name="width">Vector width; default the best of this machine.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="firstElement"/> is negative, an element is none of the stream's 2³⁴, or
    /// <paramref name="width"/> none of the named values.</exception>
    public static void Normal(
        NoiseStream stream, long firstElement, Span<float> destination, VectorWidth width = VectorWidth.Auto) =>
        GroupLoop.Fill(default(NormalDraw), stream, firstElement, destination, width);

    /// <summary>Half-normal draws |ξ|: the absolute values of what <see cref="Normal"/> gives.</summary>
    /// <inheritdoc cref="Normal"/>
    public static void HalfNormal(
        NoiseStream stream, long firstElement, Span<float> destination, VectorWidth width = VectorWidth.Auto) =>
        GroupLoop.Fill(default(HalfNormalDraw), stream, firstElement, destination, width);

    /// <summary>Uniform draws in (0, 1).</summary>
    /// <inheritdoc cref="Normal"/>
    public static void Uniform(
        NoiseStream stream, long firstElement, Span<float> destination, VectorWidth width = VectorWidth.Auto) =>
        GroupLoop.Fill(default(UniformDraw), stream, firstElement, destination, width);

    /// <summary>Dropout masks: 0 where <see cref="Uniform"/> gives less than the probability, else 1 / (1 − probability).</summary>
    /// <param name="stream">Key, update and time step.</param>
    /// <param name="firstElement">Number of the first element; ≥ 0.</param>
    /// <param name="probability">Probability of a 0, in [0, 1).</param>
    /// <param name="destination">Receives the masks.</param>
    /// <param name="width">Vector width; default the best of this machine.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="firstElement"/> is negative, an element is none of the stream's 2³⁴,
    /// <paramref name="probability"/> outside [0, 1), or <paramref name="width"/> none of the named values.</exception>
    public static void Mask(
        NoiseStream stream, long firstElement, double probability, Span<float> destination,
        VectorWidth width = VectorWidth.Auto)
    {
        if (!(probability >= 0 && probability < 1))
            throw new ArgumentOutOfRangeException(nameof(probability), probability, "must be in [0, 1)");
        GroupLoop.Fill(new MaskDraw(probability), stream, firstElement, destination, width);
    }
}
