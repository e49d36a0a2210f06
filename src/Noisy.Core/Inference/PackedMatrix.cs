namespace Noisy.Core;

/// <summary>A weight matrix laid out once for products with rows of inputs: y = start + W x.</summary>
/// <remarks>
/// The rows of W come in blocks of equal length, the gates of a layer. Some neighbouring units of a block make a panel; the panels of the same
/// units in all blocks lie side by side, so that a thread that has some units reads one piece of memory. The bits of an element depend on
/// no vector width, no number of threads and no other row.
/// </remarks>
/// <param name="blocks">Blocks of rows, ≥ 1.</param>
/// <param name="units">Rows of a block, ≥ 1.</param>
/// <param name="depth">Length of x, ≥ 1.</param>
/// <param name="panelUnits">Units of a panel; divides <see cref="LogSumExp.Piece"/>.</param>
internal abstract unsafe class PackedMatrix(int blocks, int units, int depth, int panelUnits)
{
    /// <summary>Blocks of rows.</summary>
    internal int Blocks { get; } = blocks;

    /// <summary>Rows of a block.</summary>
    internal int Units { get; } = units;

    /// <summary>Length of x.</summary>
    internal int Depth { get; } = depth;

    /// <summary>Units of a block, padding included.</summary>
    internal int Padded { get; } = Padding.RoundUp(units);

    /// <summary>Units of a panel; the last one may have fewer.</summary>
    internal int PanelUnits { get; } = panelUnits;

    /// <summary>Panels of a block.</summary>
    internal int Panels => (Padded + PanelUnits - 1) / PanelUnits;

    /// <summary>Packs a matrix.</summary>
    /// <param name="weight">[blocks · units, depth].</param>
    /// <param name="blocks">Blocks of rows, ≥ 1.</param>
    /// <param name="width">A definite vector width.</param>
    /// <param name="precision">What the weights are held in.</param>
    /// <param name="inPieces">Whether single precision adds up the depth in the pieces of <see cref="MatrixProduct.MultiplyMany"/>: the bits of
    /// the engine's products over all time steps. Its products of a single step add it up as a whole.</param>
    /// <exception cref="InvalidDataException">The weights are not finite and are to be integers.</exception>
    internal static PackedMatrix Create(FloatTensor weight, int blocks, VectorWidth width, WeightPrecision precision, bool inPieces) =>
        (precision, width) switch
        {
            (WeightPrecision.Int8, _) => new Int8Matrix(weight, blocks, width),
            (_, VectorWidth.Bits512) => new FloatMatrix<Lanes16>(weight, blocks, inPieces),
            (_, VectorWidth.Bits256) => new FloatMatrix<Lanes8>(weight, blocks, inPieces),
            (_, VectorWidth.Bits128) => new FloatMatrix<Lanes4>(weight, blocks, inPieces),
            _ => new FloatMatrix<Lanes1>(weight, blocks, inPieces),
        };

    /// <summary>y = start + W x for some panels of some blocks.</summary>
    /// <param name="at">Rows.</param>
    /// <param name="firstBlock">First block.</param>
    /// <param name="endBlock">Block after the last.</param>
    /// <param name="firstPanel">First panel of each block.</param>
    /// <param name="endPanel">Panel after the last.</param>
    internal abstract void Multiply(in PackedOperands at, int firstBlock, int endBlock, int firstPanel, int endPanel);

    /// <summary>The units of some panels, padding included.</summary>
    internal (int First, int End) UnitsOf(int firstPanel, int endPanel) =>
        (Math.Min(Padded, firstPanel * PanelUnits), Math.Min(Padded, endPanel * PanelUnits));
}
