namespace Noisy.Experiments;

/// <summary>The attention of each word of a translation to each word of its source.</summary>
/// <param name="Source">Words of the source, its end among them.</param>
/// <param name="Target">Words of the translation, its end among them.</param>
/// <param name="Weights">A row a word of the translation, each summing to 1 over the source.</param>
public sealed record TranslationAlignment(string[] Source, string[] Target, float[][] Weights);
