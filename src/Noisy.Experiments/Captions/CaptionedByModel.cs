namespace Noisy.Experiments;

/// <summary>A picture with its captions, and what a model wrote.</summary>
/// <param name="Image">The picture.</param>
/// <param name="Found">The model's words.</param>
public sealed record CaptionedByModel(CaptionedImage Image, string[] Found);
