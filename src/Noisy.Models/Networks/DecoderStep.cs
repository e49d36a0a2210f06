namespace Noisy.Models;

/// <summary>What a decoder says of the next token.</summary>
/// <param name="LogProbabilities">log p of each token in each row, [N, V], row-major; −∞ for impossible ones.</param>
/// <param name="State">State of the N rows after the token that was read.</param>
/// <typeparam name="TState">The decoder's state.</typeparam>
public readonly record struct DecoderStep<TState>(float[] LogProbabilities, TState State);
