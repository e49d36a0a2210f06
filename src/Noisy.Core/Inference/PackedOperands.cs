namespace Noisy.Core;

/// <summary>Rows that pass a <see cref="PackedMatrix"/>: y = start + W x.</summary>
/// <remarks>The rows of W come in blocks of units, and so do start and y: block b of row r begins at b · (block's stride) + r · (row's stride).</remarks>
internal unsafe struct PackedOperands
{
    /// <summary>First row of x, and floats from row to row.</summary>
    internal float* X;
    internal nint RowX;

    /// <summary>Rows, ≥ 1.</summary>
    internal int Rows;

    /// <summary>What is added to; a stride of 0 between rows gives every row the same. May be y.</summary>
    internal float* Start;
    internal nint BlockStart, RowStart;

    /// <summary>Where it goes.</summary>
    internal float* Y;
    internal nint BlockY, RowY;
}
