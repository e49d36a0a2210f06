using System.Text;

namespace Noisy.Core;

/// <summary>Turns text into the token ids of a language model and back; immutable.</summary>
/// <remarks>Words are separated by blanks, tabs and line ends; each line feed becomes the end-of-line token. Characters are
/// taken as they stand.</remarks>
public sealed class TextCodec
{
    private readonly string[] tokens;
    private readonly Dictionary<string, int> ids;

    // Looked up once: a token may be long, and many words are replaced.
    private readonly int? unknownId, endOfLineId;

    /// <summary>Creates a codec.</summary>
    /// <param name="tokens">The vocabulary; the index is the id.</param>
    /// <param name="unknown">The token that stands for words that are not listed; null if there is none.</param>
    /// <param name="endOfLine">The token that each line feed becomes; null drops line feeds from words. Among characters it can
    /// only be the line feed itself.</param>
    /// <param name="unit">What a token is.</param>
    /// <exception cref="ArgumentException">A token is empty or listed twice, or one of the two special ones is not listed.</exception>
    public TextCodec(IReadOnlyList<string> tokens, string? unknown, string? endOfLine, TextUnit unit = TextUnit.Word)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        this.tokens = [.. tokens];
        (Unknown, EndOfLine, Unit) = (unknown, endOfLine, unit);
        ids = new(tokens.Count, StringComparer.Ordinal);
        for (var id = 0; id < tokens.Count; id++)
        {
            if (string.IsNullOrEmpty(tokens[id])) throw new ArgumentException($"token {id} is empty", nameof(tokens));
            if (!ids.TryAdd(tokens[id], id)) throw new ArgumentException($"the token '{tokens[id]}' is listed twice", nameof(tokens));
        }

        foreach (var token in new[] { unknown, endOfLine })
        {
            if (token is not null && !ids.ContainsKey(token)) throw new ArgumentException($"the token '{token}' is not listed", nameof(tokens));
        }

        unknownId = unknown is null ? null : ids[unknown];
        endOfLineId = endOfLine is null ? null : ids[endOfLine];
    }

    /// <summary>The vocabulary; the index is the id.</summary>
    public IReadOnlyList<string> Tokens => tokens;

    /// <summary>The token that stands for words that are not listed, or null.</summary>
    public string? Unknown { get; }

    /// <summary>The token that each line feed becomes, or null.</summary>
    public string? EndOfLine { get; }

    /// <summary>What a token is.</summary>
    public TextUnit Unit { get; }

    /// <summary>Whether a token is listed.</summary>
    /// <param name="token">Any text.</param>
    public bool Contains(string token) => ids.ContainsKey(token);

    /// <summary>Id of a token.</summary>
    /// <param name="token">A token that is listed.</param>
    /// <exception cref="KeyNotFoundException">It is not.</exception>
    public int Id(string token) => ids[token];

    /// <summary>Cuts a text into tokens and numbers them.</summary>
    /// <param name="text">The text.</param>
    /// <returns>Ids, and how many tokens were replaced.</returns>
    /// <exception cref="InvalidDataException">A token is not listed and there is no unknown one; the message names token and line.</exception>
    public EncodedText Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Unit == TextUnit.Character ? EncodeCharacters(text) : EncodeWords(text);
    }

    /// <summary>The text of tokens: words with blanks between them, a line end for each end-of-line token; or the characters.</summary>
    /// <param name="stream">Ids.</param>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string Decode(IEnumerable<int> stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var text = new StringBuilder();
        foreach (var id in stream)
        {
            if ((uint)id >= (uint)tokens.Length) throw new ArgumentOutOfRangeException(nameof(stream), id, $"the vocabulary has ids 0 to {tokens.Length - 1}");
            if (id == endOfLineId)
            {
                text.Append('\n');
                continue;
            }

            if (Unit == TextUnit.Word && text.Length > 0 && text[^1] != '\n') text.Append(' ');
            text.Append(tokens[id]);
        }

        return text.ToString();
    }

    private EncodedText EncodeCharacters(string text)
    {
        var stream = new List<int>(text.Length);
        var (line, replaced, at) = (1, 0, 0);
        foreach (var rune in text.EnumerateRunes())
        {
            var character = text.AsSpan(at, rune.Utf16SequenceLength);
            at += character.Length;
            if (!TryFind(character, out var id)) (id, replaced) = (Replacement("character", character, line), replaced + 1);
            stream.Add(id);
            if (rune.Value == '\n') line++;
        }

        return new EncodedText([.. stream], replaced);
    }

    private bool TryFind(ReadOnlySpan<char> token, out int id) =>
#if NET8_0
        ids.TryGetValue(token.ToString(), out id);
#else
        ids.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(token, out id);
#endif

    private int Replacement(string what, ReadOnlySpan<char> token, int line) => unknownId ?? throw new InvalidDataException(
        $"the {what} '{token}' in line {line} is not among the model's {tokens.Length:N0}, and the model has no unknown {what}");

    private EncodedText EncodeWords(string text)
    {
        var stream = new List<int>(text.Length / 5);
        var (start, line, replaced) = (0, 1, 0);
        for (var i = 0; i <= text.Length; i++)
        {
            var end = i == text.Length ? ' ' : text[i];
            if (end is not (' ' or '\n' or '\t' or '\r')) continue;
            if (i > start)
            {
                var word = text.AsSpan(start, i - start);
                if (!TryFind(word, out var id)) (id, replaced) = (Replacement("word", word, line), replaced + 1);
                stream.Add(id);
            }

            if (end == '\n')
            {
                if (endOfLineId is { } id) stream.Add(id);
                line++;
            }

            start = i + 1;
        }

        return new EncodedText([.. stream], replaced);
    }
}
