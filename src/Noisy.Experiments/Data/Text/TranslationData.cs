using System.Text;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Sentences and their translations in three splits.</summary>
/// <param name="Identity">Which data these are.</param>
/// <param name="Train">What is learned from.</param>
/// <param name="Valid">What decisions are made on.</param>
/// <param name="Test">What is reported.</param>
/// <param name="Notes">What was left out, a sentence each, for the user; null if nothing was.</param>
public sealed record TranslationData(
    DataIdentity Identity, IReadOnlyList<SentencePair> Train, IReadOnlyList<SentencePair> Valid, IReadOnlyList<SentencePair> Test,
    IReadOnlyList<string>? Notes = null)
{
    /// <summary>Three texts as one set.</summary>
    /// <param name="name">What to call it, such as "multi30k".</param>
    /// <param name="train">Training text.</param>
    /// <param name="valid">Validation text.</param>
    /// <param name="test">Test text.</param>
    /// <returns>The identity's checksum is over the three texts' checksums as ASCII characters, in this order.</returns>
    public static TranslationData Create(string name, ParallelText train, ParallelText valid, ParallelText test)
    {
        byte[][] checksums = [.. new[] { train, valid, test }.Select(text => Encoding.ASCII.GetBytes(text.Sha256))];
        return new(new DataIdentity(name, DataIdentity.Real, DataFile.Sha256(checksums)), train.Pairs, valid.Pairs, test.Pairs,
            [.. train.Notes("training"), .. valid.Notes("validation"), .. test.Notes("test")]);
    }

    /// <summary>One of the splits.</summary>
    /// <param name="split">Which.</param>
    public IReadOnlyList<SentencePair> Part(Split split) => split switch
    {
        Split.Train => Train,
        Split.Valid => Valid,
        _ => Test,
    };
}
