namespace Noisy.Core;

/// <summary>A cell with its activations, which makes its own operator: what a kernel is created from.</summary>
internal interface ICellSource
{
    /// <summary>Makes the operator of the cell and hands it to a visitor.</summary>
    /// <param name="scale">Noise scale c of every site; null takes each spec's own.</param>
    /// <param name="visitor">Receives the operator under its own type.</param>
    void Accept<TVisitor>(double? scale, ref TVisitor visitor) where TVisitor : struct, ICellVisitor;
}
