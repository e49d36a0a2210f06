namespace Noisy.Core;

/// <summary>State of a <see cref="RecurrentStack"/> between two pieces of a sequence; immutable.</summary>
public sealed class RecurrentState
{
    private readonly float[][] hidden;
    private readonly float[][] cell;

    internal RecurrentState(float[][] hidden, float[][] cell) => (this.hidden, this.cell) = (hidden, cell);

    /// <summary>Layers.</summary>
    public int Layers => hidden.Length;

    /// <summary>Hidden state h of a layer, [H].</summary>
    /// <param name="layer">Number of the layer, from 0.</param>
    public ReadOnlySpan<float> Hidden(int layer) => hidden[layer];

    /// <summary>Cell state c of a layer, [H]; empty for a GRU, which has none.</summary>
    /// <param name="layer">Number of the layer, from 0.</param>
    public ReadOnlySpan<float> Cell(int layer) => cell[layer];
}
