using System.Text;
using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The built-in corpus: texts of a <see cref="SentenceSource"/>, so that the best attainable perplexity is known.</summary>
public static class GeneratedCorpus
{
    /// <summary>The source of a corpus.</summary>
    /// <param name="config">Difficulty and seed; the sizes do not matter.</param>
    /// <exception cref="UsageException">A number is out of its range.</exception>
    public static SentenceSource Source(GeneratedCorpusSettings config) =>
        new(config.Topics, config.Speakers, Root(config).Child("lexicon"));

    /// <summary>Generates a corpus.</summary>
    /// <param name="config">Size, difficulty and seed.</param>
    /// <returns>Three independent texts. The identity's checksum is over the training, validation and test text, words
    /// joined by blanks and each end token a line feed.</returns>
    /// <exception cref="UsageException">A number is out of its range.</exception>
    /// <remarks>Randomness: the children "train", "valid" and "test" of the config's seed; each split is a prefix of one
    /// endless stream of its own, so a longer split begins with the shorter one.</remarks>
    public static LanguageModelData Create(GeneratedCorpusSettings config)
    {
        if (Math.Min(config.Train, Math.Min(config.Valid, config.Test)) < 2)
        {
            throw new UsageException(
                "The built-in corpus needs at least 2 tokens for training, validation and test each; " +
                $"{config.Train}, {config.Valid} and {config.Test} were requested.");
        }

        var source = Source(config);
        var key = Root(config);
        int[][] splits =
        [
            source.Sample(key.Child("train"), config.Train),
            source.Sample(key.Child("valid"), config.Valid),
            source.Sample(key.Child("test"), config.Test),
        ];
        var sha256 = DataFile.Sha256([.. splits.Select(split => Encoding.UTF8.GetBytes(Text(source.Vocabulary, split)))]);
        var floor = new SourceEntropy(source.Nats(splits[2])[1..].Average());
        return new(
            new("sentences", DataIdentity.BuiltIn, sha256), source.Vocabulary, splits[0], splits[1], splits[2], floor);
    }

    /// <summary>The built-in corpus letter by letter, so that the best attainable bits per character are known.</summary>
    /// <param name="config">Size in words, difficulty and seed.</param>
    /// <remarks>Words contain neither blank nor line feed, so a text of characters and one of words determine each other, and a
    /// perfect model has the same total for both: Σ nats of all words, less those of the first character.</remarks>
    /// <exception cref="UsageException">A number is out of its range.</exception>
    public static LanguageModelData Spell(GeneratedCorpusSettings config)
    {
        var words = Create(config);
        var source = Source(config);
        string Spelled(int[] stream) => Text(words.Vocabulary, stream);
        var test = Spelled(words.Test);
        var first = source.Next(source.Start).Where(step => words.Vocabulary.Token(step.Token)[0] == test[0]).Sum(step => step.Probability);
        var nats = source.Nats(words.Test).Sum() + Math.Log(first);
        return CharacterText.Create(words.Identity with { Name = "sentences, letter by letter" }, Spelled(words.Train), Spelled(words.Valid), test, new(nats / (test.Length - 1)));
    }

    /// <summary>A stream in words, a sentence a line.</summary>
    /// <param name="vocabulary">Its vocabulary.</param>
    /// <param name="stream">Token ids.</param>
    public static string Text(Vocabulary vocabulary, IEnumerable<int> stream)
    {
        var text = new StringBuilder();
        foreach (var token in stream.Select(vocabulary.Token))
        {
            text.Append(token == PennTreebank.EndOfSentence ? "\n" : token + " ");
        }

        return text.ToString();
    }

    private static NoiseKey Root(GeneratedCorpusSettings config) => NoiseKey.FromSeed(config.Seed).Child("sentences");
}
