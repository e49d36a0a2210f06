using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>What BLEU counts in a corpus; the counts of two parts of a corpus add up.</summary>
/// <param name="Matches">Clipped matches of n-grams: each counts at most as often as in the reference that has it most; index
/// n − 1, n = 1 to 4.</param>
/// <param name="Totals">n-grams of the hypotheses; index n − 1.</param>
/// <param name="HypothesisLength">Tokens of the hypotheses.</param>
/// <param name="ReferenceLength">Tokens of the closest references: for each hypothesis the reference whose length differs least,
/// the shorter one of two.</param>
public sealed record BleuCounts(IReadOnlyList<long> Matches, IReadOnlyList<long> Totals, long HypothesisLength, long ReferenceLength)
{
    /// <summary>The longest n-grams counted.</summary>
    public const int Orders = 4;

    /// <summary>The counts of an empty corpus.</summary>
    public static BleuCounts Zero { get; } = new(new long[Orders], new long[Orders], 0, 0);

    /// <summary>The counts of both parts.</summary>
    /// <param name="left">One part.</param>
    /// <param name="right">The other.</param>
    public static BleuCounts operator +(BleuCounts left, BleuCounts right) => new(
        [.. left.Matches.Zip(right.Matches, (a, b) => a + b)], [.. left.Totals.Zip(right.Totals, (a, b) => a + b)],
        left.HypothesisLength + right.HypothesisLength, left.ReferenceLength + right.ReferenceLength);

    /// <summary>Counts one sentence.</summary>
    /// <param name="hypothesis">Its tokens; may be none.</param>
    /// <param name="references">Tokens of each reference; at least one.</param>
    /// <exception cref="ArgumentException">There is no reference.</exception>
    public static BleuCounts FromSentence(string[] hypothesis, IReadOnlyList<string[]> references)
    {
        ArgumentNullException.ThrowIfNull(hypothesis);
        ArgumentNullException.ThrowIfNull(references);
        if (references.Count == 0) throw new ArgumentException("a hypothesis has no reference", nameof(references));
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        var closest = -1;
        var most = new Dictionary<NGram, int>();
        foreach (var reference in references)
        {
            var (distance, best) = (Math.Abs(reference.Length - hypothesis.Length), Math.Abs(closest - hypothesis.Length));
            if (closest < 0 || distance < best || (distance == best && reference.Length < closest)) closest = reference.Length;
            foreach (var (gram, count) in Count(reference, ids)) most[gram] = Math.Max(count, most.GetValueOrDefault(gram));
        }

        var (matches, totals) = (new long[Orders], new long[Orders]);
        foreach (var (gram, count) in Count(hypothesis, ids))
        {
            matches[gram.Order - 1] += Math.Min(count, most.GetValueOrDefault(gram));
            totals[gram.Order - 1] += count;
        }

        return new(matches, totals, hypothesis.Length, closest);
    }

    private static Dictionary<NGram, int> Count(string[] tokens, Dictionary<string, int> ids)
    {
        var numbers = new int[tokens.Length];
        for (var i = 0; i < numbers.Length; i++)
        {
            if (!ids.TryGetValue(tokens[i], out numbers[i])) ids.Add(tokens[i], numbers[i] = ids.Count);
        }

        var counts = new Dictionary<NGram, int>();
        for (var from = 0; from < numbers.Length; from++)
        {
            for (var order = 1; order <= Math.Min(Orders, numbers.Length - from); order++)
            {
                int At(int i) => i < order ? numbers[from + i] : -1;
                var gram = new NGram(order, At(0), At(1), At(2), At(3));
                counts[gram] = counts.GetValueOrDefault(gram) + 1;
            }
        }

        return counts;
    }

    private readonly record struct NGram(int Order, int First, int Second, int Third, int Fourth);
}
