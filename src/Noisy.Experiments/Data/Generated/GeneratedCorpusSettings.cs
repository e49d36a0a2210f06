namespace Noisy.Experiments;

/// <summary>Size and difficulty of the built-in corpus.</summary>
/// <param name="Train">Training tokens, ≥ 2.</param>
/// <param name="Valid">Validation tokens, ≥ 2.</param>
/// <param name="Test">Test tokens, ≥ 2.</param>
/// <param name="Topics">Topics of the source, 2 to 30: more means more to remember and more words.</param>
/// <param name="Speakers">Speakers of the source, 2 to 200: more means more to remember.</param>
/// <param name="Seed">Decides the words and the texts; not the seed of a run, so that all runs see the same text.</param>
public sealed record GeneratedCorpusSettings(int Train, int Valid, int Test, int Topics, int Speakers, long Seed)
{
    /// <summary>The default: 60,000 training tokens over about 200 words.</summary>
    public static GeneratedCorpusSettings Default { get; } = new(60_000, 6_000, 6_000, Topics: 8, Speakers: 12, Seed: 1);

    /// <summary>The same source with texts of other lengths.</summary>
    /// <param name="train">Training tokens.</param>
    /// <param name="valid">Validation tokens.</param>
    /// <param name="test">Test tokens.</param>
    public GeneratedCorpusSettings WithSizes(int train, int valid, int test) => this with { Train = train, Valid = valid, Test = test };

    /// <summary>The same sizes from another source.</summary>
    /// <param name="topics">Topics.</param>
    /// <param name="speakers">Speakers.</param>
    public GeneratedCorpusSettings WithSource(int topics, int speakers) => this with { Topics = topics, Speakers = speakers };

    /// <summary>The same sizes and difficulty with other words and texts.</summary>
    /// <param name="seed">The seed.</param>
    public GeneratedCorpusSettings WithSeed(long seed) => this with { Seed = seed };
}
