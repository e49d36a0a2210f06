namespace Noisy.Core;

/// <summary>What a head did in one time step of one example: its parameters and the stages of its attention, kept for the way
/// back. Every row is as long as the padded memory; its padding holds zeros unless a remark says otherwise.</summary>
internal readonly unsafe struct HeadTurn
{
    private const int Scalar = Padding.Lanes;

    private readonly float* start;
    private readonly int width, slots;

    /// <summary>The record that begins at an address.</summary>
    internal HeadTurn(float* start, NtmDimensions size)
    {
        this.start = start;
        (width, slots) = (size.PaddedWidth, size.PaddedSlots);
    }

    /// <summary>Floats of a record.</summary>
    internal static int Length(NtmDimensions size) => (3 * size.PaddedWidth) + (2 * Scalar) + (6 * size.PaddedSlots) + (2 * Halo);

    /// <summary>Room on either side of a row for its neighbours round the circle.</summary>
    internal const int Halo = Padding.Lanes;

    /// <summary>The key that is compared with the memory.</summary>
    internal float* Key => start;

    /// <summary>The erase vector, each number in (0, 1); of write heads.</summary>
    internal float* Erase => start + width;

    /// <summary>The add vector; of write heads.</summary>
    internal float* Add => start + (2 * width);

    /// <summary>Strength, gate, three shifts, sharpening.</summary>
    internal float* Scalars => start + (3 * width);

    /// <summary>The logistic function of what <see cref="Scalars"/> was made from: slopes of the softplus.</summary>
    internal float* Sigmoids => Scalars + Scalar;

    /// <summary>Cosine of key and slot.</summary>
    internal float* Similarity => Sigmoids + Scalar;

    /// <summary>Attention by content.</summary>
    internal float* Content => Similarity + slots;

    /// <summary>Interpolated with the last time step's attention; has a halo, which reaches into the padding.</summary>
    internal float* Gated => Content + slots + Halo;

    /// <summary>Moved round the circle; padding holds anything positive.</summary>
    internal float* Shifted => Gated + slots + Halo;

    /// <summary>Logarithm of <see cref="Shifted"/> less the greatest; padding holds anything finite.</summary>
    internal float* Log => Shifted + slots;

    /// <summary>The attention: positive numbers that add up to 1.</summary>
    internal float* Attention => Log + slots;
}
