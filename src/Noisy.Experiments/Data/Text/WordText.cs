using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Texts of one's own as streams of words, for a word-level language model.</summary>
public static class WordText
{
    /// <summary>Most words that are told apart unless another limit is given.</summary>
    public const int DefaultLimit = 10_000;

    /// <summary>Any text file: its first 90 % of words to train on, then 5 % for validation, 5 % for test.</summary>
    /// <remarks>Words are what lies between blanks; each line feed is the token <see cref="PennTreebank.EndOfSentence"/>. The most
    /// frequent words of the training part are told apart, all others are <see cref="PennTreebank.UnknownWord"/>. The order of the file stays, since a
    /// text is a sequence: what comes later is predicted from what came before.</remarks>
    /// <param name="path">A text file, plain or .gz, in UTF-8 or with a mark of byte order.</param>
    /// <param name="limit">Most tokens of the vocabulary, the end of a line and the unknown word among them; ≥ 3.</param>
    /// <exception cref="DataException">The file is unreadable, damaged, no text, or too short to be cut.</exception>
    public static LanguageModelData Load(string path, int limit = DefaultLimit)
    {
        const int least = 100;
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 3);
        var (name, text, content) = OwnText.Read(path);
        var reader = new WordReader(PennTreebank.EndOfSentence);
        var stream = reader.Read(text);
        if (stream.Length < least)
            throw new DataException(
                $"'{path}' has {stream.Length} words and line ends; to be cut into training, validation and test it needs {least}: name a "
                + "longer text.");
        var (valid, test) = ((int)(0.9 * stream.Length), (int)(0.95 * stream.Length));
        var counts = stream[..valid].CountBy(id => id).Select(c => KeyValuePair.Create(reader.Word(c.Key), c.Value)).ToList();
        string[] specials = [PennTreebank.EndOfSentence, PennTreebank.UnknownWord];
        var vocabulary = Vocabulary.WithSpecials(specials, counts, PennTreebank.UnknownWord, limit);
        var ids = Enumerable.Range(0, reader.Types).Select(id => vocabulary.Id(reader.Word(id))).ToArray();
        int[] Renumbered(int[] part) => Array.ConvertAll(part, id => ids[id]);
        var (train, validation, last) = (Renumbered(stream[..valid]), Renumbered(stream[valid..test]), Renumbered(stream[test..]));
        var unknown = vocabulary.Id(PennTreebank.UnknownWord);
        var share = (double)last.Count(id => id == unknown) / last.Length;
        var identity = new DataIdentity(name, DataIdentity.Real, DataFile.Sha256(content, BitConverter.GetBytes(limit)));
        var end = vocabulary.Id(PennTreebank.EndOfSentence);
        var isJoined = 2 * last.Count(id => id == unknown) > last.Count(id => id != end);
        var advice = isJoined ? "; a text without blanks between its words is one for charlm" : "";
        return new(identity, vocabulary, train, validation, last, Floor: null, Notes:
        [
            $"the text is cut in its order: the first {train.Length:N0} words and line ends to learn from, then {validation.Length:N0} for validation, the last {last.Length:N0} for test",
            $"{vocabulary.Count:N0} of {reader.Types:N0} different words are told apart (at most {limit:N0}); "
            + $"{100 * share:F1} % of the test is {PennTreebank.UnknownWord}{advice}",
        ]);
    }
}
