namespace Noisy.Experiments;

/// <summary>A picture of <see cref="CaptionWorld"/> with what it shows.</summary>
/// <param name="Scene">What it shows.</param>
/// <param name="Pixels">Red, green and blue of each pixel, row by row: [56, 56, 3].</param>
public sealed record CaptionExample(CaptionScene Scene, byte[] Pixels);
