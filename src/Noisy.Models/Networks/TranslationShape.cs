namespace Noisy.Models;

/// <summary>Sizes of a translation model.</summary>
/// <param name="SourceVocabulary">Words of the source language, ≥ 2.</param>
/// <param name="TargetVocabulary">Words of the target language, ≥ 2.</param>
/// <param name="Embedding">Width of both embeddings and of the readout, ≥ 1.</param>
/// <param name="Hidden">Units of each GRU, ≥ 1.</param>
/// <param name="Attention">Units of the attention, ≥ 1.</param>
public sealed record TranslationShape(int SourceVocabulary, int TargetVocabulary, int Embedding, int Hidden, int Attention);
