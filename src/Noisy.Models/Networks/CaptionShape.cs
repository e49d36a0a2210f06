namespace Noisy.Models;

/// <summary>Sizes and switches of a captioning model.</summary>
/// <param name="Vocabulary">Words V, ≥ 2.</param>
/// <param name="Channels">Width D of an annotation, ≥ 1.</param>
/// <param name="Embedding">Width E of the embedding and of the readout, ≥ 1.</param>
/// <param name="Hidden">Units H of the LSTM, ≥ 1.</param>
/// <param name="Attention">Units of the attention, ≥ 1.</param>
/// <param name="Selector">Whether a sigmoid gate of the state scales the attended mean.</param>
/// <param name="WordToOutput">Whether the readout sees the word before.</param>
/// <param name="ContextToOutput">Whether the readout sees the attended mean.</param>
/// <param name="Dropout">Dropout on the LSTM's output and on the readout, in [0, 1).</param>
public sealed record CaptionShape(
    int Vocabulary, int Channels, int Embedding, int Hidden, int Attention,
    bool Selector = false, bool WordToOutput = false, bool ContextToOutput = false, double Dropout = 0);
