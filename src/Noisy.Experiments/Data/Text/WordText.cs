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
    /// <param name="path">A UTF-8 file, plain or .gz.</param>
    /// <param name="limit">Most tokens of the vocabulary, the end of a line and the unknown word among them; ≥ 3.</param>
    /// <exception cref="DataException">The file is unreadable, damaged, not UTF-8, or too short to be cut.</exception>
    public static LanguageModelData Load(string path, int limit = DefaultLimit)
    {
        const string remedy = "Name a text file in UTF-8, plain or .gz, with '--data FILE', or use the built-in text with '--data built-in'.";
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 3);
        var content = DataFile.Read(path, remedy);
        var reader = new WordReader(PennTreebank.EndOfSentence);
        var stream = reader.Read(DataFile.DecodeUtf8(content, path, remedy));
        if (stream.Length < 100) throw new DataException($"'{path}' has {stream.Length} words, too few to be cut into training, validation and test. {remedy}");
        var (valid, test) = ((int)(0.9 * stream.Length), (int)(0.95 * stream.Length));
        var counts = stream[..valid].CountBy(id => id).Select(c => KeyValuePair.Create(reader.Word(c.Key), c.Value)).ToList();
        string[] specials = [PennTreebank.EndOfSentence, PennTreebank.UnknownWord];
        var vocabulary = Vocabulary.WithSpecials(specials, counts, PennTreebank.UnknownWord, limit);
        var ids = Enumerable.Range(0, reader.Types).Select(id => vocabulary.Id(reader.Word(id))).ToArray();
        int[] Renumbered(int[] part) => Array.ConvertAll(part, id => ids[id]);
        var (train, validation, last) = (Renumbered(stream[..valid]), Renumbered(stream[valid..test]), Renumbered(stream[test..]));
        var unknown = vocabulary.Id(PennTreebank.UnknownWord);
        var share = (double)last.Count(id => id == unknown) / last.Length;
        var name = Path.GetFileName(path);
        var identity = new DataIdentity(
            name.EndsWith(".gz", StringComparison.Ordinal) ? name[..^3] : name, DataIdentity.Real, DataFile.Sha256(content, BitConverter.GetBytes(limit)));
        return new(identity, vocabulary, train, validation, last, Floor: null, Notes:
        [
            $"the text is cut in its order: the first {train.Length:N0} words and line ends to learn from, then {validation.Length:N0} for validation, the last {last.Length:N0} for test",
            $"{vocabulary.Count:N0} of {reader.Types:N0} different words are told apart (at most {limit:N0}); {100 * share:F1} % of the test is {PennTreebank.UnknownWord}",
        ]);
    }
}
