using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>Products of any number of rows with one panel: picks tiles.</summary>
internal static unsafe class MatrixProduct
{
    /// <summary>Rows of the best tile: as many as the 32 registers of 512 bits hold, or the sixteen of fewer.</summary>
    /// <param name="wide">Vectors of a row.</param>
    internal static int TileRows<V>(int wide) where V : struct, ILanes<V> => (V.Count == 16, wide) switch
    {
        (true, 3) => MatrixTile.MaxRowsOfThree,
        (true, _) => MatrixTile.MaxRows,
        (false, 3) => MatrixTile.MaxRowsOfThree / 2,
        (false, 2) => 6,
        _ => MatrixTile.MaxRows,
    };

    /// <summary>Most rows of a block.</summary>
    internal const int MostBlockRows = 200;

    /// <summary>Rows of A that pass all panels before the next ones come: few enough to stay in a second-level cache meanwhile, and enough for the
    /// panels to come from memory seldom.</summary>
    /// <param name="depth">Floats that are read of each row.</param>
    internal static int BlockRows(int depth) => Math.Clamp(80_000 / depth / LeastBlockRows * LeastBlockRows, LeastBlockRows, MostBlockRows);

    private const int LeastBlockRows = 40;

    private const int PieceDepth = 224;

    /// <summary>Pieces of k in which many rows pass a panel, of nearly one length whatever the vector, so that sums are the same.</summary>
    internal static nint Pieces(nint depth) => (depth + PieceDepth - 1) / PieceDepth;

    /// <summary>Where a piece begins; that after the last is at the end.</summary>
    internal static nint PieceStart(nint depth, nint piece, nint pieces) => depth * piece / pieces;

    /// <summary>C = start + A·B for a panel that many rows pass, in pieces of k.</summary>
    /// <remarks>All rows pass one piece of the panel before the next one, so that the piece stays in the first-level cache. At 512 bits a tile goes
    /// through all pieces, so that its result stays there instead, which is faster on a Zen 5.</remarks>
    /// <inheritdoc cref="Multiply"/>
    internal static void MultiplyMany<V, TLayout>(
        int rows, int wide, float* a, nint stride, float* b, nint rowB, nint depth, float* c, nint rowC, nint vectorC, float* start, nint rowStart,
        float* next = null, nint nextLength = -1)
        where V : struct, ILanes<V>
        where TLayout : struct, IOperandLayout
    {
        var pieces = Pieces(depth);
        if (V.Count == 16)
        {
            Multiply<V, TLayout>(rows, wide, a, stride, b, rowB, depth, c, rowC, vectorC, start, rowStart, next, nextLength, pieces);
            return;
        }

        if (nextLength < 0) nextLength = rowB * depth;
        var ahead = (nextLength + pieces - 1) / pieces;
        for (nint piece = 0; piece < pieces; piece++)
        {
            var first = PieceStart(depth, piece, pieces);
            var from = piece == 0 ? start : c;
            Multiply<V, TLayout>(
                rows, wide, TLayout.Interleaved ? a + (first * stride) : a + first, stride, b + (first * rowB), rowB,
                PieceStart(depth, piece + 1, pieces) - first, c, rowC, vectorC, from, piece == 0 ? rowStart : rowC,
                next == null ? null : next + (piece * ahead), ahead);
        }
    }

    /// <summary>C = start + A·B for a panel.</summary>
    /// <param name="rows">Rows of A and C.</param>
    /// <param name="wide">Vectors of the panel, 1 to 3.</param>
    /// <param name="a">First element of A.</param>
    /// <param name="stride">Row-major: floats from row to row of A. Interleaved: floats from k to k.</param>
    /// <param name="b">The panel.</param>
    /// <param name="rowB">Floats from k to k of the panel; its vectors if it is a packed one.</param>
    /// <param name="depth">Length of k.</param>
    /// <param name="c">First element of C.</param>
    /// <param name="rowC">Floats from row to row of C.</param>
    /// <param name="vectorC">Floats from one vector of a row of C to the next.</param>
    /// <param name="start">What the products are added to, laid out as C; null for nothing.</param>
    /// <param name="rowStart">Floats from row to row of start; 0 gives every row the same.</param>
    /// <param name="next">What is read next, to be fetched meanwhile; null for nothing.</param>
    /// <param name="nextLength">Floats of it; negative for as many as this panel has.</param>
    /// <param name="pieces">Pieces of k, of which each element adds up one after another.</param>
    internal static void Multiply<V, TLayout>(
        int rows, int wide, float* a, nint stride, float* b, nint rowB, nint depth, float* c, nint rowC, nint vectorC, float* start, nint rowStart,
        float* next = null, nint nextLength = -1, nint pieces = 1)
        where V : struct, ILanes<V>
        where TLayout : struct, IOperandLayout
    {
        var most = TileRows<V>(wide);
        var tiles = (rows + most - 1) / most;
        if (nextLength < 0) nextLength = rowB * depth;
        var step = (nextLength + (tiles * depth) - 1) / (tiles * depth);
        for (var tile = 0; tile < tiles; tile++)
        {
            var first = FirstRow(rows, tile, tiles);
            var count = FirstRow(rows, tile + 1, tiles) - first;
            var from = start == null ? null : start + (first * rowStart);
            var left = TLayout.Interleaved ? a + first : a + (first * stride);
            var ahead = next != null && depth * tile * step < nextLength ? next + (depth * tile * step) : left;
            var toward = ahead == left ? 0 : step;
            if (wide == 3) Tile<V, Count3, TLayout>(count, left, stride, b, rowB, depth, c + (first * rowC), rowC, vectorC, from, rowStart, ahead, toward, pieces);
            else if (wide == 2) Tile<V, Count2, TLayout>(count, left, stride, b, rowB, depth, c + (first * rowC), rowC, vectorC, from, rowStart, ahead, toward, pieces);
            else Tile<V, Count1, TLayout>(count, left, stride, b, rowB, depth, c + (first * rowC), rowC, vectorC, from, rowStart, ahead, toward, pieces);
        }
    }

    /// <summary>Where a tile begins, if some tiles share rows evenly.</summary>
    internal static int FirstRow(int rows, int tile, int tiles) => (int)((long)rows * tile / tiles);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tile<V, TWide, TLayout>(
        int rows, float* a, nint stride, float* b, nint rowB, nint depth, float* c, nint rowC, nint vectorC, float* start, nint rowStart,
        float* ahead, nint step, nint pieces)
        where V : struct, ILanes<V>
        where TWide : struct, ICount
        where TLayout : struct, IOperandLayout
    {
        switch (rows)
        {
            case 1: MatrixTile.Multiply<V, Count1, TWide, TLayout>(a, stride, b, rowB, depth, c, rowC, vectorC, start, rowStart, ahead, step, pieces); break;
            case 2: MatrixTile.Multiply<V, Count2, TWide, TLayout>(a, stride, b, rowB, depth, c, rowC, vectorC, start, rowStart, ahead, step, pieces); break;
            case 3: MatrixTile.Multiply<V, Count3, TWide, TLayout>(a, stride, b, rowB, depth, c, rowC, vectorC, start, rowStart, ahead, step, pieces); break;
            case 4: MatrixTile.Multiply<V, Count4, TWide, TLayout>(a, stride, b, rowB, depth, c, rowC, vectorC, start, rowStart, ahead, step, pieces); break;
            case 5: MatrixTile.Multiply<V, Count5, TWide, TLayout>(a, stride, b, rowB, depth, c, rowC, vectorC, start, rowStart, ahead, step, pieces); break;
            case 6: MatrixTile.Multiply<V, Count6, TWide, TLayout>(a, stride, b, rowB, depth, c, rowC, vectorC, start, rowStart, ahead, step, pieces); break;
            case 7: MatrixTile.Multiply<V, Count7, TWide, TLayout>(a, stride, b, rowB, depth, c, rowC, vectorC, start, rowStart, ahead, step, pieces); break;
            case 8: MatrixTile.Multiply<V, Count8, TWide, TLayout>(a, stride, b, rowB, depth, c, rowC, vectorC, start, rowStart, ahead, step, pieces); break;
            case 9: MatrixTile.Multiply<V, Count9, TWide, TLayout>(a, stride, b, rowB, depth, c, rowC, vectorC, start, rowStart, ahead, step, pieces); break;
            default: MatrixTile.Multiply<V, Count10, TWide, TLayout>(a, stride, b, rowB, depth, c, rowC, vectorC, start, rowStart, ahead, step, pieces); break;
        }
    }
}
