using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Cuts text into words at blanks and numbers the words in order of first appearance, over several texts.</summary>
/// <param name="endOfLine">The token that each line feed becomes; null drops line feeds.</param>
public sealed class WordReader(string? endOfLine)
{
    private readonly Dictionary<string, int> ids = new(StringComparer.Ordinal);
    private readonly List<string> words = [];
    private readonly List<int> counts = [];

    /// <summary>Number of different words so far.</summary>
    public int Types => words.Count;

    /// <summary>The word of a number.</summary>
    /// <param name="id">0 ≤ id &lt; <see cref="Types"/>.</param>
    public string Word(int id) => words[id];

    /// <summary>Reads one more text.</summary>
    /// <param name="text">Words separated by blanks, tabs, carriage returns and line feeds.</param>
    /// <returns>Numbers of its words in order, each line feed counting as the end-of-line token.</returns>
    public int[] Read(string text)
    {
        var lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var stream = new List<int>(text.Length / 5);
        var start = 0;
        for (var i = 0; i <= text.Length; i++)
        {
            var end = i == text.Length ? '\n' : text[i];
            if (end is not (' ' or '\n' or '\t' or '\r'))
            {
                continue;
            }

            if (i > start)
            {
                Count(text.AsSpan(start, i - start));
            }

            if (end == '\n' && i < text.Length && endOfLine is not null)
            {
                Count(endOfLine);
            }

            start = i + 1;
        }

        return [.. stream];

        void Count(ReadOnlySpan<char> word)
        {
            if (!lookup.TryGetValue(word, out var id))
            {
                id = words.Count;
                var name = word.ToString();
                ids.Add(name, id);
                words.Add(name);
                counts.Add(0);
            }

            counts[id]++;
            stream.Add(id);
        }
    }

    /// <summary>The words so far and how often each occurred.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> Counts() => [.. words.Select((word, id) => KeyValuePair.Create(word, counts[id]))];
}
