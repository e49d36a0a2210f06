namespace Noisy.Core;

/// <summary>
/// The operator contract of a recurrent cell: how gate pre-activations become the next state, forward and backward, one vector
/// of units at a time. A new cell is a new operator, handed out by an <see cref="ICellSource"/>.
/// </summary>
/// <remarks>
/// Pre-activations have up to four blocks: the product with the inputs and the product with the last output each add up into
/// the blocks that <see cref="InputBlocks"/> and <see cref="RecurrentBlocks"/> name, gate by gate.
/// </remarks>
internal interface ICell
{
    /// <summary>Gates: blocks of H rows in either weight.</summary>
    static abstract int Gates { get; }

    /// <summary>Noisy sites, ≥ 1.</summary>
    static abstract int Sites { get; }

    /// <summary>Vectors of scratch for each place beside those of the sites; see <see cref="CellSite.Room"/>.</summary>
    static virtual int Rooms => 0;

    /// <summary>Whether there is a second state.</summary>
    static abstract bool HasCell { get; }

    /// <summary>For each gate the block that its product with the inputs goes to.</summary>
    static abstract ReadOnlySpan<byte> InputBlocks { get; }

    /// <summary>For each gate the block that its product with the last output goes to; empty for a cell that does not read it.</summary>
    static abstract ReadOnlySpan<byte> RecurrentBlocks { get; }

    /// <summary>Whether any site reads noise.</summary>
    static abstract bool ReadsNoise { get; }

    /// <summary>Whether any site reads p.</summary>
    static abstract bool ReadsP { get; }

    /// <summary>One step.</summary>
    void Forward<V>(in CellPlace at) where V : struct, ILanes<V>;

    /// <summary>One step back.</summary>
    void Backward<V>(in CellPlace at) where V : struct, ILanes<V>;
}
