using System.Text;
using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>Texts as streams of characters: Unicode scalar values, blanks and line feeds among them.</summary>
/// <remarks>The vocabulary is that of all three splits: anyone who models characters knows the alphabet beforehand.</remarks>
public static class CharacterText
{
    /// <summary>The character that ends a line.</summary>
    internal const string LineFeed = "\n";

    /// <summary>Numbers the characters of three texts, the most frequent first.</summary>
    /// <param name="identity">Which text this is.</param>
    /// <param name="train">Training text.</param>
    /// <param name="valid">Validation text.</param>
    /// <param name="test">Test text.</param>
    /// <param name="floor">The best attainable score, where it is known.</param>
    public static LanguageModelData Create(DataIdentity identity, string train, string valid, string test, SourceEntropy? floor = null)
    {
        string[] texts = [train, valid, test];
        var counts = texts.SelectMany(t => t.EnumerateRunes()).CountBy(rune => rune).ToDictionary(c => c.Key, c => c.Value);
        var vocabulary = Vocabulary.ByCount(counts.Select(c => KeyValuePair.Create(c.Key.ToString(), c.Value)));
        var ids = counts.Keys.ToDictionary(rune => rune, rune => vocabulary.Id(rune.ToString()));
        int[] Stream(string text) => [.. text.EnumerateRunes().Select(rune => ids[rune])];
        return new(identity, vocabulary, Stream(train), Stream(valid), Stream(test), floor, TextUnit.Character);
    }

    /// <summary>Any text file: its first 90 % to train on, then 5 % for validation, 5 % for test.</summary>
    /// <remarks>In the order of the file, since a text is a sequence: what comes later is predicted from what came before.</remarks>
    /// <param name="path">A UTF-8 file, plain or .gz.</param>
    /// <exception cref="DataException">The file is unreadable, damaged, not UTF-8, or too short to be cut.</exception>
    public static LanguageModelData Load(string path)
    {
        const string remedy = "Name a text file in UTF-8, plain or .gz, with '--data FILE', or use the built-in text with '--data built-in'.";
        var content = DataFile.Read(path, remedy);
        var text = DataFile.DecodeUtf8(content, path, remedy);
        var count = text.EnumerateRunes().Count();
        if (count < 40) throw new DataException($"'{path}' has {count} characters, too few to be cut into training, validation and test. {remedy}");
        var (valid, test) = ((int)(0.9 * count), (int)(0.95 * count));
        var (from, to) = (Place(text, valid), Place(text, test));
        var name = Path.GetFileName(path);
        var identity = new DataIdentity(name.EndsWith(".gz", StringComparison.Ordinal) ? name[..^3] : name, DataIdentity.Real, DataFile.Sha256(content));
        return Create(identity, text[..from], text[from..to], text[to..]) with
        {
            Notes = [$"the text is cut in its order: the first {valid:N0} characters to learn from, then {test - valid:N0} for validation, the last {count - test:N0} for test"],
        };
    }

    /// <summary>Where the character of a number begins.</summary>
    private static int Place(string text, int character)
    {
        var place = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if (character-- == 0) break;
            place += rune.Utf16SequenceLength;
        }

        return place;
    }
}
