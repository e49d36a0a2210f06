using System.Globalization;
using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>METEOR (exact + stem): words match if they are equal or have one stem; neither synonyms nor paraphrases, which need
/// large word lists.</summary>
/// <param name="Form">Name of these parameters, for the signature.</param>
/// <param name="Alpha">Weight of recall against precision, in [0, 1].</param>
/// <param name="Beta">Exponent of the penalty, &gt; 0.</param>
/// <param name="Gamma">The most that fragmentation costs, in [0, 1].</param>
/// <param name="Delta">Weight of content words against function words, in [0, 1]; without function words it has no effect.</param>
/// <param name="StemWeight">What a pair counts that is equal by its stem alone, in [0, 1].</param>
/// <param name="FreeWhole">Whether a hypothesis equal to its reference goes without penalty.</param>
/// <param name="FunctionWords">The function words in lower case; null for none.</param>
/// <remarks>
/// <para>Formula: P and R are the weighted shares of matched words in hypothesis and reference; F = P R / (α P + (1 − α) R);
/// score = F (1 − γ (chunks / matches)^β), a chunk being a run of matches that lie side by side in both. The alignment has the
/// most matches, of those the fewest chunks, of those the least sum of distances. Of several references the one counts that
/// gives the best score.</para>
/// <para>Source: S. Banerjee, A. Lavie, "METEOR: an automatic metric for MT evaluation with improved correlation with human
/// judgments", 2005; M. Denkowski, A. Lavie, "Meteor universal", WMT 2014, and its program, version 1.5, for the case of
/// equality. Stems are Porter's (1980). Words are compared as they come: lower them first. Randomness: none.</para>
/// </remarks>
public sealed record Meteor(
    string Form, double Alpha, double Beta, double Gamma, double Delta, double StemWeight, bool FreeWhole,
    IReadOnlySet<string>? FunctionWords = null)
{
    /// <summary>The first form: α = 0.9, β = 3, γ = 0.5, all matches alike.</summary>
    /// <remarks>The 2005 text breaks ties between alignments by fewest crossings; here, as in all later versions, by fewest chunks,
    /// which never gives a lower score.</remarks>
    public static Meteor Original { get; } =
        new("2005", Alpha: 0.9, Beta: 3, Gamma: 0.5, Delta: 0.5, StemWeight: 1, FreeWhole: false);

    /// <summary>Version 1.5 for English: α = 0.85, β = 0.2, γ = 0.6, δ = 0.75, stems count 0.6. Its list of function words is not
    /// shipped; give one by <see cref="WithFunctionWords"/>.</summary>
    public static Meteor English { get; } =
        new("1.5-en", Alpha: 0.85, Beta: 0.2, Gamma: 0.6, Delta: 0.75, StemWeight: 0.6, FreeWhole: true);

    /// <summary>The same metric with words that count as function words.</summary>
    /// <param name="words">The words, in lower case; null for none.</param>
    public Meteor WithFunctionWords(IReadOnlySet<string>? words) => this with { FunctionWords = words };

    /// <summary>How a score was computed.</summary>
    public string Signature =>
        $"METEOR (exact + stem)|form:{Form}|function:{FunctionWords?.Count.ToString(CultureInfo.InvariantCulture) ?? "none"}"
        + $"|version:noisy-{NoisyVersion.Current}";

    /// <summary>The score of one sentence.</summary>
    /// <param name="hypothesis">Its words.</param>
    /// <param name="references">Words of each reference, at least one.</param>
    /// <returns>In [0, 1]; 0 where nothing matches.</returns>
    /// <exception cref="ArgumentException">There is no reference.</exception>
    public double Score(string[] hypothesis, IReadOnlyList<string[]> references) => Score(Best(hypothesis, references));

    /// <summary>The score of a corpus.</summary>
    /// <param name="hypotheses">Words of each sentence.</param>
    /// <param name="references">For each sentence the words of its references, at least one.</param>
    /// <exception cref="ArgumentException">There are not as many lists of references as hypotheses, or one is empty.</exception>
    public MeteorScore Corpus(IReadOnlyList<string[]> hypotheses, IReadOnlyList<string[][]> references)
    {
        ArgumentNullException.ThrowIfNull(hypotheses);
        ArgumentNullException.ThrowIfNull(references);
        if (hypotheses.Count != references.Count)
            throw new ArgumentException($"{hypotheses.Count} hypotheses, but references for {references.Count}", nameof(references));
        var (total, sum) = (MeteorCounts.Zero, 0.0);
        for (var i = 0; i < hypotheses.Count; i++)
        {
            var counts = Best(hypotheses[i], references[i]);
            total += counts;
            sum += Score(counts);
        }

        return new(Score(total), hypotheses.Count == 0 ? 0 : sum / hypotheses.Count, total, Signature);
    }

    /// <summary>The score of counts.</summary>
    /// <param name="counts">Of one sentence or of many.</param>
    /// <returns>In [0, 1].</returns>
    public double Score(MeteorCounts counts)
    {
        ArgumentNullException.ThrowIfNull(counts);
        if (counts.Matches == 0 || counts.MatchedHypothesis <= 0 || counts.MatchedReference <= 0) return 0;
        var precision = counts.MatchedHypothesis / counts.Hypothesis;
        var recall = counts.MatchedReference / counts.Reference;
        var mean = precision * recall / ((Alpha * precision) + ((1 - Alpha) * recall));
        var whole = counts.Matches == counts.HypothesisLength && counts.Matches == counts.ReferenceLength
            && counts.Chunks == counts.Sentences;
        var penalty = FreeWhole && whole ? 0 : Gamma * Math.Pow((double)counts.Chunks / counts.Matches, Beta);
        return mean * (1 - penalty);
    }

    /// <summary>Counts one sentence against one reference.</summary>
    /// <param name="hypothesis">Its words.</param>
    /// <param name="reference">Words of the reference.</param>
    public MeteorCounts Count(string[] hypothesis, string[] reference)
    {
        ArgumentNullException.ThrowIfNull(hypothesis);
        ArgumentNullException.ThrowIfNull(reference);
        var partners = WordAlignment.Align(
            Array.ConvertAll(hypothesis, PorterStemmer.Stem), Array.ConvertAll(reference, PorterStemmer.Stem));
        var (matches, matchedHypothesis, matchedReference) = (0, 0.0, 0.0);
        for (var i = 0; i < partners.Length; i++)
        {
            if (partners[i] < 0) continue;
            var (word, partner) = (hypothesis[i], reference[partners[i]]);
            var weight = string.Equals(word, partner, StringComparison.Ordinal) ? 1 : StemWeight;
            matches++;
            matchedHypothesis += weight * Weight(word);
            matchedReference += weight * Weight(partner);
        }

        return new(
            1, hypothesis.Length, reference.Length, matches, WordAlignment.Chunks(partners),
            hypothesis.Sum(Weight), reference.Sum(Weight), matchedHypothesis, matchedReference);
    }

    private double Weight(string word) => FunctionWords is null ? 1 : FunctionWords.Contains(word) ? 1 - Delta : Delta;

    private MeteorCounts Best(string[] hypothesis, IReadOnlyList<string[]> references)
    {
        ArgumentNullException.ThrowIfNull(references);
        return references.Count == 0
            ? throw new ArgumentException("a hypothesis has no reference", nameof(references))
            : references.Select(reference => Count(hypothesis, reference)).MaxBy(Score)!;
    }
}
