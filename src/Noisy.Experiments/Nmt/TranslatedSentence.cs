namespace Noisy.Experiments;

/// <summary>A sentence, what it should become, and what a model made of it.</summary>
/// <param name="Source">The sentence.</param>
/// <param name="Reference">Its translation.</param>
/// <param name="Found">The model's.</param>
public sealed record TranslatedSentence(string[] Source, string[] Reference, string[] Found);
