namespace Noisy.Experiments;

/// <summary>A sentence and its translation.</summary>
/// <param name="Source">Words to be translated; at least one.</param>
/// <param name="Target">Words of the translation; at least one.</param>
public sealed record SentencePair(string[] Source, string[] Target);
