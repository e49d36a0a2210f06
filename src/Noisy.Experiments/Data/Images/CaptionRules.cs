namespace Noisy.Experiments;

/// <summary>How files of captions are read.</summary>
/// <param name="Lowercase">Whether words are put in lower case; default true.</param>
/// <param name="AllowUnlisted">Whether captions of images that no split lists are left out and noted; default false: an error.</param>
/// <param name="FeatureScale">What every feature is multiplied by; default 1.</param>
/// <param name="Absent">Names in the caption file of images that are known not to exist; left out and noted. Null for none.</param>
/// <param name="MaxFeatureBytes">The most uncompressed bytes of one file of features; default 1 GiB.</param>
public sealed record CaptionRules(
    bool Lowercase = true, bool AllowUnlisted = false, float FeatureScale = 1, IReadOnlyList<string>? Absent = null,
    long MaxFeatureBytes = 1L << 30)
{
    /// <summary>Lower case; every caption belongs to a listed image.</summary>
    public static CaptionRules Default { get; } = new();
}
