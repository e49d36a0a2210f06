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
    /// <param name="path">A text file, plain or .gz, in UTF-8 or with a mark of byte order.</param>
    /// <exception cref="DataException">The file is unreadable, damaged, no text, or too short to be cut.</exception>
    public static LanguageModelData Load(string path)
    {
        const int least = 40;
        var (name, text, content) = OwnText.Read(path);
        var count = text.EnumerateRunes().Count();
        if (count < least)
            throw new DataException(
                $"'{path}' has {count} characters; to be cut into training, validation and test it needs {least}: name a longer text.");
        var (valid, test) = ((int)(0.9 * count), (int)(0.95 * count));
        var (from, to) = (Place(text, valid), Place(text, test));
        var identity = new DataIdentity(name, DataIdentity.Real, DataFile.Sha256(content));
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
