namespace Noisy.Core;

/// <summary>State of a <see cref="RecurrentStack"/> between two pieces of one or several sequences; immutable.</summary>
public sealed class RecurrentState
{
    private readonly float[][] hidden;
    private readonly float[][] cell;

    internal RecurrentState(float[][] hidden, float[][] cell, int batch) => (this.hidden, this.cell, Batch) = (hidden, cell, batch);

    /// <summary>Layers.</summary>
    public int Layers => hidden.Length;

    /// <summary>Sequences B.</summary>
    public int Batch { get; }

    /// <summary>Hidden state h of a layer, [B, H].</summary>
    /// <param name="layer">Number of the layer, from 0.</param>
    public ReadOnlySpan<float> Hidden(int layer) => hidden[layer];

    /// <summary>Cell state c of a layer, [B, H]; empty for a GRU, which has none.</summary>
    /// <param name="layer">Number of the layer, from 0.</param>
    public ReadOnlySpan<float> Cell(int layer) => cell[layer];

    /// <summary>The state of one of the sequences.</summary>
    /// <param name="column">Its number, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    public RecurrentState Column(int column)
    {
        if ((uint)column >= (uint)Batch) throw new ArgumentOutOfRangeException(nameof(column), column, $"there are the columns 0 to {Batch - 1}");
        float[][] Of(float[][] all) => Array.ConvertAll(all, numbers => numbers.AsSpan(column * (numbers.Length / Batch), numbers.Length / Batch).ToArray());
        return new RecurrentState(Of(hidden), Of(cell), 1);
    }

    /// <summary>The states of several sequences as one.</summary>
    /// <param name="states">States of one model, at least one; their columns come one after another.</param>
    /// <exception cref="ArgumentException">There is none, or they are of different models.</exception>
    public static RecurrentState Join(IReadOnlyList<RecurrentState> states)
    {
        ArgumentNullException.ThrowIfNull(states);
        foreach (var state in states) ArgumentNullException.ThrowIfNull(state, nameof(states));
        if (states.Count == 0) throw new ArgumentException("there is no state to join", nameof(states));
        if (states.Any(s => s.Layers != states[0].Layers || s.Units != states[0].Units || s.cell[0].Length == 0 != (states[0].cell[0].Length == 0)))
            throw new ArgumentException("the states are of different models", nameof(states));
        float[][] Of(Func<RecurrentState, float[][]> part) =>
            [.. Enumerable.Range(0, states[0].Layers).Select(layer => states.SelectMany(s => part(s)[layer]).ToArray())];
        return new RecurrentState(Of(s => s.hidden), Of(s => s.cell), states.Sum(s => s.Batch));
    }

    /// <summary>Units H of a layer.</summary>
    internal int Units => hidden[0].Length / Batch;
}
