namespace Noisy.Models;

/// <summary>A decoder that <see cref="BeamSearch"/> asks for one token after the other, for many hypotheses at a time.</summary>
/// <typeparam name="TState">What the decoder remembers of a batch of hypotheses, a row each; only the decoder looks into it. If
/// it is <see cref="IDisposable"/>, the search disposes the states it got from the decoder, but not the one it began with.</typeparam>
public interface IStepDecoder<TState>
{
    /// <summary>Number of tokens V, ≥ 1.</summary>
    int Tokens { get; }

    /// <summary>Reads one token in each row.</summary>
    /// <param name="state">State of N rows; to be left as it is.</param>
    /// <param name="last">The last token of each row [N]; <see cref="BeamSearch.NoToken"/> before the first.</param>
    /// <returns>What follows. What is said of a row depends on that row alone.</returns>
    DecoderStep<TState> Step(TState state, int[] last);

    /// <summary>Gathers rows of a state: row i of the result is row <c>rows[i]</c>.</summary>
    /// <param name="state">State of N rows; to be left as it is.</param>
    /// <param name="rows">Numbers in [0, N), rising, some of them perhaps several times or not at all.</param>
    /// <returns>A new state.</returns>
    TState Select(TState state, int[] rows);
}
