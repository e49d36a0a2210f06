using System.Globalization;
using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>BLEU of a corpus: a scorer as a value.</summary>
/// <param name="Tokenizer">How <see cref="Score"/> cuts texts; what the signature calls the tokens of <see cref="ScoreTokens"/>.</param>
/// <param name="Lowercase">Whether capitals count as small letters; default false.</param>
/// <param name="Smoothing">What happens where no n-gram matches; default <see cref="BleuSmoothing.None"/>.</param>
/// <param name="SmoothingValue">Number of <see cref="BleuSmoothing.Floor"/> or <see cref="BleuSmoothing.AddK"/>, &gt; 0; null for
/// its default.</param>
/// <remarks>
/// <para>Formula: BLEU-N = BP · exp(1/N Σ log pₙ), pₙ clipped matches over n-grams of the whole corpus, n = 1 to N;
/// BP = exp(1 − r/c) where the hypotheses have c tokens and the closest references r &gt; c, else 1.</para>
/// <para>Source: K. Papineni, S. Roukos, T. Ward, W.-J. Zhu, "BLEU: a method for automatic evaluation of machine translation",
/// ACL 2002. Closest reference length as in mteval-v13a, multi-bleu and sacrebleu. Randomness: none.</para>
/// </remarks>
/// <example>Prints BLEU = 49.19 … tok:none:
/// <code>Console.WriteLine(CorpusBleu.Default.Score(hypotheses, references));</code></example>
public sealed record CorpusBleu(
    TextTokenizer Tokenizer, bool Lowercase = false, BleuSmoothing Smoothing = BleuSmoothing.None, double? SmoothingValue = null)
{
    /// <summary>No tokenisation, case kept, no smoothing.</summary>
    public static CorpusBleu Default { get; } = new(TextTokenizer.None);

    /// <summary>The same scorer with another tokenisation.</summary>
    /// <param name="tokenizer">The tokenisation.</param>
    public CorpusBleu WithTokenizer(TextTokenizer tokenizer) => this with { Tokenizer = tokenizer };

    /// <summary>The same scorer, blind to case or not.</summary>
    /// <param name="lowercase">Whether capitals count as small letters.</param>
    public CorpusBleu WithLowercase(bool lowercase) => this with { Lowercase = lowercase };

    /// <summary>The same scorer with another smoothing.</summary>
    /// <param name="smoothing">Which.</param>
    /// <param name="value">Its number; null for its default.</param>
    public CorpusBleu WithSmoothing(BleuSmoothing smoothing, double? value = null) =>
        this with { Smoothing = smoothing, SmoothingValue = value };

    /// <summary>Scores texts.</summary>
    /// <param name="hypotheses">A line of text a sentence.</param>
    /// <param name="references">For each sentence its references, at least one.</param>
    /// <exception cref="ArgumentException">There are not as many lists of references as hypotheses, or one is empty.</exception>
    public BleuScore Score(IReadOnlyList<string> hypotheses, IReadOnlyList<string[]> references) =>
        ScoreTokens([.. hypotheses.Select(Tokenizer.Cut)], [.. references.Select(all => all.Select(Tokenizer.Cut).ToArray())]);

    /// <summary>Scores tokenised texts.</summary>
    /// <param name="hypotheses">Tokens of each sentence.</param>
    /// <param name="references">For each sentence the tokens of its references, at least one.</param>
    /// <exception cref="ArgumentException">There are not as many lists of references as hypotheses, or one is empty.</exception>
    public BleuScore ScoreTokens(IReadOnlyList<string[]> hypotheses, IReadOnlyList<string[][]> references)
    {
        ArgumentNullException.ThrowIfNull(hypotheses);
        ArgumentNullException.ThrowIfNull(references);
        if (hypotheses.Count != references.Count)
            throw new ArgumentException($"{hypotheses.Count} hypotheses, but references for {references.Count}", nameof(references));
        var counts = BleuCounts.Zero;
        for (var i = 0; i < hypotheses.Count; i++) counts += BleuCounts.FromSentence(Cased(hypotheses[i]), [.. references[i].Select(Cased)]);
        var numbers = references.Select(all => all.Length).Distinct().ToArray();
        return FromCounts(counts, numbers.Length == 1 ? numbers[0].ToString(CultureInfo.InvariantCulture) : "var");
    }

    /// <summary>The score of counts that were added up elsewhere.</summary>
    /// <param name="counts">The counts.</param>
    /// <param name="references">What the signature says of the number of references a sentence: a number, or "var".</param>
    /// <exception cref="ArgumentOutOfRangeException"><see cref="SmoothingValue"/> is not positive.</exception>
    public BleuScore FromCounts(BleuCounts counts, string references)
    {
        ArgumentNullException.ThrowIfNull(counts);
        var value = SmoothingValue ?? (Smoothing == BleuSmoothing.Floor ? 0.1 : 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value, nameof(SmoothingValue));
        var precisions = new double[BleuCounts.Orders];
        var missing = 1.0;
        for (var n = 0; n < precisions.Length; n++)
        {
            var added = Smoothing == BleuSmoothing.AddK && n > 0 ? value : 0;
            var (matches, total) = (counts.Matches[n] + added, counts.Totals[n] + added);
            if (matches == 0 && Smoothing == BleuSmoothing.Exponential) matches = missing /= 2;
            if (matches == 0 && Smoothing == BleuSmoothing.Floor) matches = value;
            precisions[n] = total > 0 ? matches / total : 0;
        }

        var (length, expected) = (counts.HypothesisLength, counts.ReferenceLength);
        var brevity = length >= expected ? 1 : length == 0 ? 0 : Math.Exp(1 - ((double)expected / length));
        var any = counts.Matches.Any(m => m > 0);
        double Bleu(int order) => any && precisions.Take(order).All(p => p > 0)
            ? brevity * Math.Exp(precisions.Take(order).Average(Math.Log))
            : 0;
        double[] values = [.. Enumerable.Range(1, BleuCounts.Orders).Select(Bleu)];
        return new(counts, brevity, any ? precisions : new double[BleuCounts.Orders], values, Signature(references, value));
    }

    private string[] Cased(string[] tokens) => Lowercase ? Array.ConvertAll(tokens, token => token.ToLowerInvariant()) : tokens;

    private string Signature(string references, double value)
    {
        var smoothing = Smoothing switch
        {
            BleuSmoothing.None => "none",
            BleuSmoothing.Exponential => "exp",
            BleuSmoothing.Floor => string.Create(CultureInfo.InvariantCulture, $"floor[{value:0.00}]"),
            _ => string.Create(CultureInfo.InvariantCulture, $"add-k[{value:0.00}]"),
        };
        return $"nrefs:{references}|case:{(Lowercase ? "lc" : "mixed")}|eff:no|tok:{Tokenizer.Name}|smooth:{smoothing}"
            + $"|version:noisy-{NoisyVersion.Current}";
    }
}
