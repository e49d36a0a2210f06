namespace Noisy.Experiments;

/// <summary>Images of one split; the features of image i are row i.</summary>
/// <param name="Images">The images, in the order of the split's list.</param>
/// <param name="Features">Their features.</param>
public sealed record CaptionSplit(IReadOnlyList<CaptionedImage> Images, ImageFeatures Features)
{
    /// <summary>Every caption, as index of the image and number of the caption in it, image after image.</summary>
    public IReadOnlyList<(int Image, int Caption)> Captions { get; } =
        [.. Images.SelectMany((image, i) => Enumerable.Range(0, image.Captions.Count).Select(c => (i, c)))];
}
