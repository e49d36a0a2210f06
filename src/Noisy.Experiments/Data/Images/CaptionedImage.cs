namespace Noisy.Experiments;

/// <summary>An image with its captions.</summary>
/// <param name="Name">The image's name.</param>
/// <param name="Captions">Words of its captions, by number; at least one caption.</param>
public sealed record CaptionedImage(string Name, IReadOnlyList<string[]> Captions);
