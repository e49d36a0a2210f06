using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>What METEOR counts; the counts of two sentences add up.</summary>
/// <param name="Sentences">Sentences counted.</param>
/// <param name="HypothesisLength">Words of the hypotheses.</param>
/// <param name="ReferenceLength">Words of the references that were taken.</param>
/// <param name="Matches">Matched words.</param>
/// <param name="Chunks">Runs of matches that lie side by side in both.</param>
/// <param name="Hypothesis">Weight of all words of the hypotheses.</param>
/// <param name="Reference">Weight of all words of the references.</param>
/// <param name="MatchedHypothesis">Weight of the matched words of the hypotheses.</param>
/// <param name="MatchedReference">Weight of the matched words of the references.</param>
public sealed record MeteorCounts(
    long Sentences, long HypothesisLength, long ReferenceLength, long Matches, long Chunks,
    double Hypothesis, double Reference, double MatchedHypothesis, double MatchedReference)
{
    /// <summary>The counts of no sentence.</summary>
    public static MeteorCounts Zero { get; } = new(0, 0, 0, 0, 0, 0, 0, 0, 0);

    /// <summary>The counts of both.</summary>
    /// <param name="left">Some sentences.</param>
    /// <param name="right">Others.</param>
    public static MeteorCounts operator +(MeteorCounts left, MeteorCounts right) => new(
        left.Sentences + right.Sentences, left.HypothesisLength + right.HypothesisLength, left.ReferenceLength + right.ReferenceLength,
        left.Matches + right.Matches, left.Chunks + right.Chunks, left.Hypothesis + right.Hypothesis,
        left.Reference + right.Reference, left.MatchedHypothesis + right.MatchedHypothesis,
        left.MatchedReference + right.MatchedReference);
}
