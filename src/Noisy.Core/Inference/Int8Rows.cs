namespace Noisy.Core;

/// <summary>Rows of numbers as integers with a scale each: number = integer · scale, the greatest magnitude of a row being the greatest integer.</summary>
/// <remarks>Rounding is to the nearest integer, halves to even. The scalar code here is the specification.</remarks>
internal static class Int8Rows
{
    /// <summary>The greatest integer of a weight; symmetric, so −128 is not used.</summary>
    internal const int Greatest = 127;

    /// <summary>Below this a row counts as zeros: its scale's inverse would leave single precision.</summary>
    private const float Least = 1e-30f;

    /// <summary>The greatest integer of an input: as fine as sums of so many products allow that must fit into 32 bits.</summary>
    /// <param name="depth">Products in a sum.</param>
    internal static int GreatestInput(int depth) => Math.Min(short.MaxValue, int.MaxValue / (Greatest * depth));

    /// <summary>Turns a row of a weight into integers.</summary>
    /// <param name="row">The row.</param>
    /// <param name="to">Receives the integers.</param>
    /// <returns>The scale.</returns>
    internal static float Quantize(ReadOnlySpan<float> row, Span<sbyte> to)
    {
        var (scale, inverse) = Scale(row, Greatest);
        for (var i = 0; i < row.Length; i++) to[i] = (sbyte)MathF.Round(row[i] * inverse);
        return scale;
    }

    /// <summary>Turns a row of inputs into integers.</summary>
    /// <param name="row">The row; one that is not finite becomes zeros with a scale that is not finite.</param>
    /// <param name="to">Receives the integers.</param>
    /// <param name="greatest">The greatest integer.</param>
    /// <returns>The scale.</returns>
    internal static float Quantize(ReadOnlySpan<float> row, Span<short> to, int greatest)
    {
        var (scale, inverse) = Scale(row, greatest);
        for (var i = 0; i < row.Length; i++) to[i] = (short)(inverse == 0 ? 0 : MathF.Round(row[i] * inverse));
        return scale;
    }

    private static (float Scale, float Inverse) Scale(ReadOnlySpan<float> row, int greatest)
    {
        // As integers, so that NaN is the greatest of all.
        var bits = 0;
        foreach (var x in row) bits = Math.Max(bits, BitConverter.SingleToInt32Bits(x) & int.MaxValue);
        return Scale(BitConverter.Int32BitsToSingle(bits), greatest);
    }

    /// <summary>From the greatest magnitude of a row to what integers are multiplied by, and what numbers are.</summary>
    internal static (float Scale, float Inverse) Scale(float most, int greatest) =>
        !float.IsFinite(most) ? (float.NaN, 0) : most < Least ? (0, 0) : (most / greatest, greatest / most);
}
