namespace Noisy.Models;

/// <summary>The texts that the translation experiment can run on.</summary>
public static class TranslationTexts
{
    /// <summary>Multi30k, tokenised: 29,000 descriptions of pictures.</summary>
    public const string Multi30k = "multi30k";

    /// <summary>Europarl sample a, validated on newstest2012 and tested on newstest2013: few sentences of parliament against
    /// news, so a hard task that only keeps to the paper's kinds of text.</summary>
    public const string Europarl = "europarl";

    /// <summary>Names of all.</summary>
    public static IReadOnlyList<string> Known { get; } = [Multi30k, Europarl];

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
        var rules = new ParallelTextRules(maxLength);
        if (name == Europarl)
        {
            if (find(EuroparlSample.Tokenised.Files) is not { } train || find(NewsTest.Of2012.Files) is not { } valid || find(NewsTest.Of2013.Files) is not { } test) return null;
            return TranslationData.Of(
                "europarl sample a, newstest2013", EuroparlSample.Tokenised.Load(train, "train", rules),
                NewsTest.Of2012.Load(valid, "test"), NewsTest.Of2013.Load(test, testPart ?? "test"));
        }

        if (find(Models.Multi30k.Tokenised.Files) is not { } folder) return null;
        ParallelText Part(string part, ParallelTextRules? some = null) => Models.Multi30k.Tokenised.Load(folder, part, some);
        var tested = testPart ?? "test_2016_flickr";
        return TranslationData.Of($"multi30k, {tested}", Part("train", rules), Part("val"), Part(tested));
    }

    /// <summary>A parallel text of the user's: its first 90 % to learn from, then 5 % for validation and 5 % for test.</summary>
    /// <param name="paths">Two files, of sentences and of their translations; or one with a tab in each line.</param>
    /// <param name="maxLength">Pairs of which a side has this many words or more are left out.</param>
    /// <exception cref="DataException">A file is unreadable or damaged, lines do not fit, or there are fewer than 20 pairs.</exception>
    public static TranslationData Load(IReadOnlyList<string> paths, int maxLength)
    {
        var rules = new ParallelTextRules(maxLength);
        var text = paths.Count == 1 ? ParallelText.ReadTabs(paths[0], rules) : ParallelText.Read(paths[0], paths[1], rules);
        var pairs = text.Pairs;
        if (pairs.Count < 20) throw new DataException($"'{paths[0]}' has {pairs.Count} pairs, too few to be cut into training, validation and test. {ParallelText.DefaultRemedy}");
        var (valid, test) = ((int)(0.9 * pairs.Count), (int)(0.95 * pairs.Count));
        return new(
            new(string.Join(", ", paths.Select(Path.GetFileName)), DataIdentity.Real, text.Sha256),
            [.. pairs.Take(valid)], [.. pairs.Skip(valid).Take(test - valid)], [.. pairs.Skip(test)], [.. text.Notes("the text")]);
    }
}
