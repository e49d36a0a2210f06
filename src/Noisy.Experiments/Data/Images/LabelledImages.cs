namespace Noisy.Experiments;

/// <summary>Grey images of one size with a class each.</summary>
/// <param name="Height">Rows of an image H.</param>
/// <param name="Width">Columns of an image W.</param>
/// <param name="Pixels">Intensities [N, H, W], 0 is empty and 255 full ink.</param>
/// <param name="Labels">Classes [N].</param>
public sealed record LabelledImages(int Height, int Width, byte[] Pixels, byte[] Labels)
{
    /// <summary>Number of images N.</summary>
    public int Count => Labels.Length;

    /// <summary>Pixels an image.</summary>
    public int Size => Height * Width;

    /// <summary>Some images in a row.</summary>
    /// <param name="first">Index of the first.</param>
    /// <param name="count">How many.</param>
    public LabelledImages Range(int first, int count) => this with
    {
        Pixels = Pixels[(first * Size)..((first + count) * Size)],
        Labels = Labels[first..(first + count)],
    };
}
