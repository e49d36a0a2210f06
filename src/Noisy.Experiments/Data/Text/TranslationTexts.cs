using System.Text;
using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The texts that the translation experiment can run on.</summary>
public static class TranslationTexts
{
    /// <summary>Multi30k, tokenised: 29,000 descriptions of pictures.</summary>
    public const string Multi30k = "multi30k";

    /// <summary>Europarl sample a, validated on newstest2012 and tested on newstest2013: few sentences of parliament against
    /// news, so a hard task that only keeps to the paper's kinds of text.</summary>
    public const string Europarl = "europarl";

    private const string FirstTest = "test_2016_flickr";

    // Pairs of which 5 % are one.
    private const int Least = 20;

    /// <summary>Names of all.</summary>
    public static IReadOnlyList<string> Known { get; } = [Multi30k, Europarl];

    /// <summary>The sets that a known text is made of, with the files that are read.</summary>
    /// <param name="name">One of <see cref="Known"/>.</param>
    /// <param name="testPart">Part of the set that is tested; null takes its first.</param>
    /// <exception cref="UsageException">There is no such part.</exception>
    internal static IReadOnlyList<DataSet> Sets(string name, string? testPart) => name == Europarl
        ? [EuroparlSample.Tokenised.Files, NewsTest.Of2012.Files, NewsTest.Of2013.FilesOf(testPart ?? "test")]
        : [Experiments.Multi30k.Tokenised.FilesOf("train", "val", testPart ?? FirstTest)];

    /// <summary>Loads a known text.</summary>
    /// <param name="name">One of <see cref="Known"/>.</param>
    /// <param name="testPart">Part of the set that is tested; null takes its first.</param>
    /// <param name="maxLength">Training pairs of which a side has this many words or more are left out.</param>
    /// <param name="find">Finds the folder of a set; null where built-in data are to be used.</param>
    /// <returns>The text; null where built-in data are to be used.</returns>
    /// <exception cref="DataException">A file is missing, unreadable, cut short or another text.</exception>
    /// <exception cref="UsageException">There is no such part.</exception>
    public static TranslationData? Load(string name, string? testPart, int maxLength, Func<DataSet, string?> find)
    {
        var (rules, sets) = (new ParallelTextRules(maxLength), Sets(name, testPart));
        if (name == Europarl)
        {
            if (find(sets[0]) is not { } train || find(sets[1]) is not { } valid || find(sets[2]) is not { } test) return null;
            return TranslationData.Create(
                "europarl sample a, newstest2013", EuroparlSample.Tokenised.Load(train, "train", rules),
                NewsTest.Of2012.Load(valid, "test"), NewsTest.Of2013.Load(test, testPart ?? "test"));
        }

        if (find(sets[0]) is not { } folder) return null;
        ParallelText Part(string part, ParallelTextRules? some = null) => Experiments.Multi30k.Tokenised.Load(folder, part, some);
        var tested = testPart ?? FirstTest;
        return TranslationData.Create($"multi30k, {tested}", Part("train", rules), Part("val"), Part(tested));
    }

    /// <summary>A parallel text of the user's, in an order drawn by a fixed key: the first 90 % to learn from, then 5 % for validation
    /// and 5 % for test.</summary>
    /// <remarks>Files are often sorted, by length or by source, so that the end of one is another kind of text than its
    /// beginning. The order depends on the number of pairs alone: the same file is cut the same way for every variant and seed.</remarks>
    /// <param name="paths">Two files, of sentences and of their translations; or one with a tab in each line.</param>
    /// <param name="maxLength">Pairs of which a side has this many words or more are left out.</param>
    /// <returns>The text; the identity's checksum is over that of the files and the words "shuffled, 90/5/5".</returns>
    /// <exception cref="DataException">A file is unreadable or damaged, lines do not fit, or there are fewer than 20 pairs.</exception>
    public static TranslationData Load(IReadOnlyList<string> paths, int maxLength)
    {
        var rules = new ParallelTextRules(maxLength);
        var text = paths.Count == 1 ? ParallelText.ReadTabs(paths[0], rules) : ParallelText.Read(paths[0], paths[1], rules);
        var count = text.Pairs.Count;
        if (count < Least)
            throw new DataException(
                $"'{paths[0]}' has {count} pairs; to be cut into training, validation and test it needs {Least}: name a longer text.");
        SentencePair[] pairs = [.. Shuffle.Order(NoiseKey.FromSeed(1).Child("parallel text"), 0, count).Select(i => text.Pairs[(int)i])];
        var (valid, test) = ((int)(0.9 * count), (int)(0.95 * count));
        var identity = DataFile.Sha256(Encoding.ASCII.GetBytes(text.Sha256), "shuffled, 90/5/5"u8.ToArray());
        return new(
            new(string.Join(", ", paths.Select(Path.GetFileName)), DataIdentity.Real, identity),
            pairs[..valid], pairs[valid..test], pairs[test..],
            [.. text.Notes("the text"), $"the text is shuffled by a fixed key: {valid:N0} pairs to learn from, {test - valid:N0} for validation, {count - test:N0} for test"]);
    }
}
