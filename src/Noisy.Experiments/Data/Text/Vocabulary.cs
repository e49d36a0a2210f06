using System.Text;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>An immutable one-to-one map between tokens and ids 0, 1, 2 …</summary>
/// <remarks>
/// Tokens are compared by their code units; none is empty. An optional unknown token stands for every token that is not
/// listed. Immutable, so safe to share between threads.
/// </remarks>
public sealed class Vocabulary
{
    private const string Header = "noisy-vocabulary 1";
    private readonly string[] tokens;
    private readonly Dictionary<string, int> ids;
    private readonly int unknownId;

    private Vocabulary(string[] tokens, string? unknown)
    {
        this.tokens = tokens;
        Unknown = unknown;
        ids = new Dictionary<string, int>(tokens.Length, StringComparer.Ordinal);
        for (var id = 0; id < tokens.Length; id++)
        {
            if (string.IsNullOrEmpty(tokens[id]))
            {
                throw new ArgumentException($"token {id} is empty", nameof(tokens));
            }

            if (!ids.TryAdd(tokens[id], id))
            {
                throw new ArgumentException($"the token '{tokens[id]}' is listed twice", nameof(tokens));
            }
        }

        unknownId = unknown is null ? -1 : ids.GetValueOrDefault(unknown, -1);
        if (unknown is not null && unknownId < 0)
        {
            throw new ArgumentException($"the unknown token '{unknown}' is not among the tokens", nameof(unknown));
        }
    }

    /// <summary>Number of tokens.</summary>
    public int Count => tokens.Length;

    /// <summary>The tokens; the index is the id.</summary>
    public IReadOnlyList<string> Tokens => tokens;

    /// <summary>The token that stands for all that are not listed, or null where there is none.</summary>
    public string? Unknown { get; }

    /// <summary>The vocabulary of a text, ids in order of first appearance.</summary>
    /// <param name="text">The tokens of the text.</param>
    /// <param name="unknown">The unknown token, appended where the text lacks it; null for none.</param>
    /// <exception cref="ArgumentException">A token is empty.</exception>
    public static Vocabulary ByFirstAppearance(IEnumerable<string> text, string? unknown = null)
    {
        var all = unknown is null ? text : text.Append(unknown);
        return new([.. all.Distinct(StringComparer.Ordinal)], unknown);
    }

    /// <summary>The vocabulary of counted tokens, the most frequent first, equal counts in ordinal order.</summary>
    /// <param name="counts">Tokens and how often each occurs; each token once.</param>
    /// <param name="unknown">The unknown token, counted as 0 where it is not listed; null for none.</param>
    /// <param name="maxTokens">Keep at most this many, the unknown token among them; default: all.</param>
    /// <exception cref="ArgumentException">A token is empty or listed twice.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxTokens"/> is not positive.</exception>
    public static Vocabulary ByCount(
        IEnumerable<KeyValuePair<string, int>> counts, string? unknown = null, int maxTokens = int.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxTokens);
        var ranked = counts
            .OrderByDescending(entry => entry.Value)
            .ThenBy(entry => entry.Key, StringComparer.Ordinal)
            .Select(entry => entry.Key)
            .ToList();
        if (unknown is not null && ranked.IndexOf(unknown) is var rank && (rank < 0 || rank >= maxTokens))
        {
            ranked.Remove(unknown);
            ranked.Insert(Math.Min(ranked.Count, maxTokens - 1), unknown);
        }

        return new([.. ranked.Take(maxTokens)], unknown);
    }

    /// <summary>Special tokens first, with ids in their order; then counted tokens, the most frequent first, equal counts in ordinal
    /// order.</summary>
    /// <param name="specials">The special tokens; one that is also counted keeps its place.</param>
    /// <param name="counts">Tokens and how often each occurs; each token once.</param>
    /// <param name="unknown">The unknown token, which is a special or a counted one; null for none.</param>
    /// <param name="maxTokens">Keep at most this many, the special tokens among them; default: all.</param>
    /// <exception cref="ArgumentException">A token is empty or listed twice, or the unknown token is not listed.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxTokens"/> leaves no room for the special tokens.</exception>
    public static Vocabulary WithSpecials(
        IReadOnlyList<string> specials, IEnumerable<KeyValuePair<string, int>> counts, string? unknown = null, int maxTokens = int.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(specials);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokens, specials.Count);
        var counted = ByCount(counts.Where(entry => !specials.Contains(entry.Key)));
        return new([.. specials.Concat(counted.tokens).Take(maxTokens)], unknown);
    }

    /// <summary>The token of an id.</summary>
    /// <param name="id">0 ≤ id &lt; <see cref="Count"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such id.</exception>
    public string Token(int id) => (uint)id < (uint)tokens.Length
        ? tokens[id]
        : throw new ArgumentOutOfRangeException(nameof(id), id, $"the vocabulary has ids 0 to {Count - 1}");

    /// <summary>Whether a token is listed.</summary>
    /// <param name="token">Any string.</param>
    public bool Contains(string token) => ids.ContainsKey(token);

    /// <summary>The id of a token, or that of <see cref="Unknown"/> where it is not listed.</summary>
    /// <param name="token">Any string.</param>
    /// <exception cref="DataException">The token is not listed and there is no unknown token.</exception>
    public int Id(string token)
    {
        if (ids.TryGetValue(token, out var id))
        {
            return id;
        }

        return unknownId >= 0
            ? unknownId
            : throw new DataException(
                $"The token '{token}' is not among the {Count:N0} of the vocabulary, which has no unknown token; " +
                "use the text that the vocabulary was made from.");
    }

    /// <summary>Ids of tokens, as <see cref="Id"/> gives them.</summary>
    /// <param name="text">The tokens.</param>
    /// <exception cref="DataException">A token is not listed and there is no unknown token.</exception>
    public int[] Encode(IEnumerable<string> text) => [.. text.Select(Id)];

    /// <summary>Tokens of ids.</summary>
    /// <param name="stream">The ids.</param>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string[] Decode(IEnumerable<int> stream) => [.. stream.Select(Token)];

    /// <summary>The text form: a header line, the number of tokens, the unknown token, then a token a line in order of id.</summary>
    /// <remarks>Backslash, line feed, carriage return and blank are written \\, \n, \r and \s.</remarks>
    public string ToText()
    {
        var text = new StringBuilder();
        text.Append(Header).Append('\n');
        text.Append("tokens ").Append(Count).Append('\n');
        text.Append("unknown").Append(Unknown is null ? "" : " " + Escape(Unknown)).Append('\n');
        foreach (var token in tokens)
        {
            text.Append(Escape(token)).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>Reads the form that <see cref="ToText"/> writes.</summary>
    /// <param name="text">The text; line ends LF or CR LF.</param>
    /// <param name="source">Where it came from, for the message.</param>
    /// <exception cref="DataException">The text is not a whole vocabulary; the message names the line.</exception>
    public static Vocabulary Parse(string text, string source)
    {
        var lines = text.Split('\n').Select(line => line.TrimEnd('\r')).ToArray();
        DataException Bad(int line, string what) =>
            new($"'{source}', line {line}: {what}. Take the vocabulary from another copy of the run, or train anew.");

        string Line(int number) => number <= lines.Length ? lines[number - 1] : "";
        string Token(int number)
        {
            try
            {
                return Unescape(Line(number));
            }
            catch (FormatException error)
            {
                throw Bad(number, error.Message);
            }
        }

        if (Line(1) != Header)
        {
            throw Bad(1, $"not a vocabulary, which begins with '{Header}'");
        }

        if (!Line(2).StartsWith("tokens ", StringComparison.Ordinal) || !int.TryParse(Line(2)[7..], out var count) || count < 0)
        {
            throw Bad(2, "'tokens' and their number expected");
        }

        if (Line(3) != "unknown" && !Line(3).StartsWith("unknown ", StringComparison.Ordinal))
        {
            throw Bad(3, "'unknown' and the unknown token expected");
        }

        var found = lines.Length - 3 - (lines[^1].Length == 0 ? 1 : 0);
        if (found != count)
        {
            throw Bad(lines.Length, $"{Math.Max(found, 0):N0} tokens found, {count:N0} announced");
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        var tokens = new string[count];
        for (var id = 0; id < count; id++)
        {
            tokens[id] = Token(id + 4);
            if (tokens[id].Length == 0)
            {
                throw Bad(id + 4, "an empty token");
            }

            if (!seen.Add(tokens[id]))
            {
                throw Bad(id + 4, $"the token '{tokens[id]}' stands there a second time");
            }
        }

        lines[2] = Line(3)["unknown".Length..].TrimStart(' ');
        var unknown = lines[2].Length == 0 ? null : Token(3);
        return unknown is null || seen.Contains(unknown)
            ? new(tokens, unknown)
            : throw Bad(3, $"the unknown token '{unknown}' is not among the tokens");
    }

    /// <summary>Writes the text form to a file, whole or not at all.</summary>
    /// <param name="path">Where.</param>
    /// <exception cref="IOException">The disk refuses.</exception>
    public void Save(string path) => AtomicFile.Write(path, ToText());

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="path">Where.</param>
    /// <exception cref="DataException">The file cannot be read or is not a whole vocabulary.</exception>
    public static Vocabulary Load(string path)
    {
        const string remedy = "Take the vocabulary from another copy of the run, or train anew.";
        return Parse(DataFile.DecodeText(DataFile.Read(path, remedy), path, remedy), path);
    }

    private static string Escape(string token) =>
        token.Replace("\\", "\\\\").Replace("\n", "\\n").Replace("\r", "\\r").Replace(" ", "\\s");

    private static string Unescape(string line)
    {
        if (!line.Contains('\\'))
        {
            return line;
        }

        var token = new StringBuilder();
        for (var i = 0; i < line.Length; i++)
        {
            token.Append(line[i] != '\\' ? line[i] : (++i < line.Length ? line[i] : '\0') switch
            {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                's' => ' ',
                _ => throw new FormatException("a backslash that begins none of \\\\, \\n, \\r and \\s"),
            });
        }

        return token.ToString();
    }
}
