using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The Penn Treebank of <see cref="PennTreebank"/>, character by character.</summary>
/// <remarks>In the files characters are separated by blanks, a blank of the text is an underscore, and a line feed stands for
/// itself; 50 different characters. Published with many character models; nobody promises a lasting address.</remarks>
public static class PennTreebankCharacters
{
    private const char Blank = '_';
    private const int ExpectedTypes = 50;
    private static readonly int[] ExpectedCharacters = [5_017_482, 393_042, 442_423];

    /// <summary>The three files: training, validation, test.</summary>
    public static DataSet Files { get; } = new(PennTreebank.Files.Name, "the Penn Treebank in characters",
    [
        new("ptb.char.train.txt", null, "e313d91425e06c4f0a8fb6e881dcce0c291f2a0e9f4dda54833069b122f91da9", 10_034_964),
        new("ptb.char.valid.txt", null, "21661f63ec355085879458b6524644d4add5573541b4be14fb52ab2e2e995eb8", 786_084),
        new("ptb.char.test.txt", null, "1ef5607ac3c463b16e38bfe7900dd3bfc91de5a96e0f21e7eab5188b465b8ebe", 884_846),
    ], OwnText.Hint);

    /// <summary>Loads the three files.</summary>
    /// <param name="folder">The folder that holds them, plain or .gz, as <see cref="DataCache.Find"/> gives it.</param>
    /// <returns>Streams of 5,017,482, 393,042 and 442,423 characters of 50 kinds. The identity's checksum is over the uncompressed
    /// files in their order.</returns>
    /// <exception cref="DataException">A file is missing, unreadable, cut short or another text.</exception>
    public static LanguageModelData Load(string folder)
    {
        var files = Files.Open(folder);
        var texts = files.Texts().Select(text => text.Replace(" ", "").Replace(Blank, ' ')).ToArray();
        for (var i = 0; i < texts.Length; i++) files.Check(i, "characters", texts[i].Length, ExpectedCharacters[i]);
        var data = CharacterText.Create(files.Identity with { Name = "ptb characters" }, texts[0], texts[1], texts[2]);
        files.Check(0, "different characters", data.Vocabulary.Count, ExpectedTypes);
        files.CheckSums();
        return data;
    }
}
