using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Vocabularies of models that read and write whole sentences: id 0 ends a sentence, id 1 is any unlisted word.</summary>
/// <remarks>Source: dl4mt and arctic-captions, which both number so (docs/paper.md, reference systems).</remarks>
public static class SentenceVocabulary
{
    /// <summary>The id of the token that ends every sentence.</summary>
    public const int End = 0;

    /// <summary>The id of the token that stands for unlisted words.</summary>
    public const int Unknown = 1;

    /// <summary>The vocabulary of some sentences, words by falling count after the two special tokens.</summary>
    /// <param name="sentences">Their words; none is empty.</param>
    /// <param name="maxTokens">Keep at most this many tokens, the two special ones among them, ≥ 2; default: all.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxTokens"/> is below 2.</exception>
    public static Vocabulary FromSentences(IEnumerable<string[]> sentences, int maxTokens = int.MaxValue)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var word in sentences.SelectMany(words => words)) counts[word] = counts.GetValueOrDefault(word) + 1;
        return Vocabulary.WithSpecials(
            [PennTreebank.EndOfSentence, PennTreebank.UnknownWord], counts, PennTreebank.UnknownWord, maxTokens);
    }

    /// <summary>A sentence as ids.</summary>
    /// <param name="vocabulary">A vocabulary made by <see cref="FromSentences"/>.</param>
    /// <param name="words">The sentence. A word written like the end token is unknown: it does not end the sentence.</param>
    /// <returns>An id a word, then <see cref="End"/>.</returns>
    public static int[] Encode(Vocabulary vocabulary, string[] words)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        return [.. words.Select(word => vocabulary.Id(word) is var id && id == End ? Unknown : id), End];
    }

    /// <summary>The words of a sentence of ids, up to the first <see cref="End"/>.</summary>
    /// <param name="vocabulary">A vocabulary made by <see cref="FromSentences"/>.</param>
    /// <param name="ids">The ids.</param>
    public static string[] Decode(Vocabulary vocabulary, IEnumerable<int> ids) => vocabulary.Decode(ids.TakeWhile(id => id != End));
}
