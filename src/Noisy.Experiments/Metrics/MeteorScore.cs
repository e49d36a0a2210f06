using System.Globalization;

namespace Noisy.Experiments;

/// <summary>METEOR of a corpus.</summary>
/// <param name="Value">The score of the sentences' counts added up, in [0, 1]: METEOR's own score of a corpus.</param>
/// <param name="Mean">Mean of the sentences' scores, in [0, 1], which some report instead.</param>
/// <param name="Counts">The counts.</param>
/// <param name="Signature">How it was computed.</param>
public sealed record MeteorScore(double Value, double Mean, MeteorCounts Counts, string Signature)
{
    /// <summary>The score in percent with its signature, in one line.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"METEOR = {100 * Value:0.00} (mean of sentences {100 * Mean:0.00}) {Signature}");
}
