using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The grammar of <see cref="SentenceSource"/>: word classes and which follows which.</summary>
internal static class SentenceGrammar
{
    private const double Close = SentenceSource.CloseProbability;

    // Columns as the classes below; the last one is the closing of the sentence. Each row sums to 1.
    private static readonly double[][] Rows =
    [
        // det  adj   noun  verb  adv   prep  close
        [0.00, 0.40, 0.60, 0.00, 0.00, 0.00, 0.00],
        [0.00, 0.15, 0.85, 0.00, 0.00, 0.00, 0.00],
        [0.00, 0.00, 0.00, 0.45, 0.00, 0.20, Close],
        [0.50, 0.00, 0.00, 0.00, 0.25, 0.25, 0.00],
        [0.60, 0.00, 0.00, 0.00, 0.00, 0.40, 0.00],
        [0.70, 0.00, 0.30, 0.00, 0.00, 0.00, 0.00],
    ];

    /// <summary>The classes. Function words are the same for all topics; of the others each topic has its own list.</summary>
    public static IReadOnlyList<WordClass> Classes { get; } =
    [
        new("determiner", "a", PerTopic: 0, Shared: 4),
        new("adjective", "i", PerTopic: 5, Shared: 0),
        new("noun", "o", PerTopic: 8, Shared: 0),
        new("verb", "as", PerTopic: 6, Shared: 0),
        new("adverb", "e", PerTopic: 3, Shared: 0),
        new("preposition", "u", PerTopic: 0, Shared: 6),
    ];

    /// <summary>Probabilities of the first word's class.</summary>
    public static IReadOnlyList<double> Start { get; } = [0.70, 0.00, 0.30, 0.00, 0.00, 0.00, 0.00];

    /// <summary>Probabilities of what follows a word of a class: each class, then the closing.</summary>
    public static IReadOnlyList<double> Row(int wordClass) => Rows[wordClass];

    /// <summary>Expected number of words of each class in a sentence: the solution of v = Start + v·Rows.</summary>
    /// <remarks>Gauss–Jordan elimination without pivoting: the matrix I − Rowsᵀ is diagonally dominant by columns.</remarks>
    public static double[] ExpectedVisits()
    {
        var n = Classes.Count;
        var system = new double[n, n + 1];
        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j < n; j++)
            {
                system[i, j] = (i == j ? 1 : 0) - Rows[j][i];
            }

            system[i, n] = Start[i];
        }

        for (var k = 0; k < n; k++)
        {
            for (var i = 0; i < n; i++)
            {
                if (i == k)
                {
                    continue;
                }

                var factor = system[i, k] / system[k, k];
                for (var j = k; j <= n; j++)
                {
                    system[i, j] -= factor * system[k, j];
                }
            }
        }

        return [.. Enumerable.Range(0, n).Select(i => system[i, n] / system[i, i])];
    }

    /// <summary>A class of words.</summary>
    /// <param name="Name">Its name in English.</param>
    /// <param name="Suffix">What its words end in; other classes' words do not.</param>
    /// <param name="PerTopic">Words that each topic brings in; it shares them with the next topic.</param>
    /// <param name="Shared">Words that belong to all topics.</param>
    internal sealed record WordClass(string Name, string Suffix, int PerTopic, int Shared)
    {
        /// <summary>Number of words in one topic's list.</summary>
        public int ListLength => Shared + (2 * PerTopic);
    }
}
