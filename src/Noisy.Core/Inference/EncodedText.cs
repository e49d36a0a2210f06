namespace Noisy.Core;

/// <summary>A text as token ids.</summary>
/// <param name="Tokens">Ids, in order.</param>
/// <param name="Replaced">How many words were not in the vocabulary and became the unknown token.</param>
public sealed record EncodedText(int[] Tokens, int Replaced);
