namespace Noisy.Models;

/// <summary>Sentences side by side, the shorter ones filled up.</summary>
/// <param name="Steps">Time steps T, the length of the longest.</param>
/// <param name="Count">Sentences B.</param>
/// <param name="Tokens">Ids [T, B], time-major: element t·B + b; 0, the end token, where a sentence is over.</param>
/// <param name="Mask">1 for a token of the sentence, its end token included, 0 behind it: [T, B].</param>
/// <param name="Lengths">Tokens of each sentence [B].</param>
public sealed record SentenceBatch(int Steps, int Count, int[] Tokens, float[] Mask, int[] Lengths)
{
    /// <summary>Lays out sentences.</summary>
    /// <param name="sentences">Ids of each, end token included.</param>
    public static SentenceBatch Create(IReadOnlyList<int[]> sentences)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        var (steps, count) = (sentences.Select(ids => ids.Length).DefaultIfEmpty().Max(), sentences.Count);
        var (tokens, mask) = (new int[steps * count], new float[steps * count]);
        for (var b = 0; b < count; b++)
        {
            for (var t = 0; t < sentences[b].Length; t++)
            {
                tokens[(t * count) + b] = sentences[b][t];
                mask[(t * count) + b] = 1;
            }
        }

        return new(steps, count, tokens, mask, [.. sentences.Select(ids => ids.Length)]);
    }
}
