using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Noisy.Core;

/// <summary>Copies matrices into panels: for each k, the elements of a few vectors of columns side by side.</summary>
internal static unsafe class Panels
{
    // Columns that are packed in one walk over the rows: short pieces of many rows would miss every cache.
    private const int Walk = 256;

    /// <summary>Packs all columns of a matrix whose rows are k, as panels of so many vectors; the last has as many as it needs.</summary>
    /// <param name="most">Vectors of a panel, 2 or 3.</param>
    /// <param name="source">First element.</param>
    /// <param name="stride">Floats from row to row.</param>
    /// <param name="first">First row to pack.</param>
    /// <param name="end">Row after the last one to pack.</param>
    /// <param name="columns">Columns of the matrix.</param>
    /// <param name="target">First panel; its row 0 belongs to row 0 of the matrix.</param>
    /// <param name="panelSize">Floats from panel to panel.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void PackRows<V>(int most, float* source, nint stride, int first, int end, int columns, float* target, nint panelSize)
        where V : struct, ILanes<V>
    {
        var width = most * V.Count;
        var whole = columns / width;
        for (var start = 0; start < whole; start += Walk / width)
        {
            var last = Math.Min(whole, start + (Walk / width));
            for (nint k = first; k < end; k++)
            {
                var from = source + (k * stride) + (start * width);
                for (nint panel = start; panel < last; panel++, from += width)
                {
                    var to = target + (panel * panelSize) + (k * width);
                    V.Load(in *from, 0).Store(ref *to, 0);
                    V.Load(in *from, (nuint)V.Count).Store(ref *to, (nuint)V.Count);
                    if (most > 2) V.Load(in *from, 2 * (nuint)V.Count).Store(ref *to, 2 * (nuint)V.Count);
                }
            }
        }

        var rest = columns - (whole * width);
        if (rest == 0) return;
        nint narrow = Wide<V>(most, rest) * V.Count;
        for (nint k = first; k < end; k++)
        {
            var from = source + (k * stride) + (whole * width);
            var to = target + (whole * panelSize) + (k * narrow);
            for (var i = 0; i < narrow; i++) to[i] = i < rest ? from[i] : 0;
        }
    }

    /// <summary>Vectors that a panel needs for the columns that are left.</summary>
    /// <param name="most">Vectors of a whole panel.</param>
    /// <param name="left">Columns from its first to the matrix's last.</param>
    internal static int Wide<V>(int most, long left) where V : struct, ILanes<V> => (int)Math.Min(most, (left + V.Count - 1) / V.Count);

    /// <summary>Packs rows of a matrix, for which k runs along the row, as neighbouring columns of a panel.</summary>
    /// <param name="source">First row.</param>
    /// <param name="stride">Floats from row to row.</param>
    /// <param name="rows">Rows there are, at most the columns; the rest is filled with zeros.</param>
    /// <param name="length">Length of k.</param>
    /// <param name="target">First of the columns in the panel.</param>
    /// <param name="columns">Columns to fill.</param>
    /// <param name="width">Floats a row of the panel.</param>
    /// <param name="numbers">Which rows, counted from the first; null takes them as they come.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void PackColumns(float* source, nint stride, int rows, int length, float* target, int columns, int width, int* numbers = null)
    {
        const int block = 64; // rows of the panel that stay in the first-level cache while all columns are written
        for (var first = 0; first < length; first += block)
        {
            nint end = Math.Min(length, first + block);
            var column = 0;
            for (; Sse.IsSupported && column <= Math.Min(rows, columns) - 4; column += 4)
                PackFour(Row(column), Row(column + 1), Row(column + 2), Row(column + 3), first, end, target + column, width);
            for (; column < columns; column++)
            {
                var to = target + column;
                if (column >= rows)
                {
                    for (nint k = first; k < end; k++) to[k * width] = 0;
                    continue;
                }

                var from = Row(column);
                for (nint k = first; k < end; k++) to[k * width] = from[k];
            }
        }

        float* Row(int column) => source + ((numbers == null ? column : numbers[column]) * stride);
    }

    /// <summary>Transposes four rows, four columns at a time.</summary>
    private static void PackFour(float* a, float* b, float* c, float* d, nint first, nint end, float* target, nint width)
    {
        // The next block of these rows: they lie pages apart, so no hardware fetches it.
        for (var next = end; next < end + (end - first); next += Padding.Lanes)
        {
            Prefetch.Line(a + next);
            Prefetch.Line(b + next);
            Prefetch.Line(c + next);
            Prefetch.Line(d + next);
        }

        var k = first;
        for (; k <= end - 4; k += 4)
        {
            var (x, y, z, w) = (Vector128.Load(a + k), Vector128.Load(b + k), Vector128.Load(c + k), Vector128.Load(d + k));
            var (lowXy, highXy, lowZw, highZw) = (Sse.UnpackLow(x, y), Sse.UnpackHigh(x, y), Sse.UnpackLow(z, w), Sse.UnpackHigh(z, w));
            var to = target + (k * width);
            Sse.MoveLowToHigh(lowXy, lowZw).Store(to);
            Sse.MoveHighToLow(lowZw, lowXy).Store(to + width);
            Sse.MoveLowToHigh(highXy, highZw).Store(to + (2 * width));
            Sse.MoveHighToLow(highZw, highXy).Store(to + (3 * width));
        }

        for (; k < end; k++)
        {
            var to = target + (k * width);
            (to[0], to[1], to[2], to[3]) = (a[k], b[k], c[k], d[k]);
        }
    }

    /// <summary>Copies some columns of some rows.</summary>
    /// <param name="from">First element.</param>
    /// <param name="rowFrom">Floats from row to row of it.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="to">Receives the first element.</param>
    /// <param name="rowTo">Floats from row to row of that.</param>
    internal static void CopyRows(float* from, nint rowFrom, int rows, int columns, float* to, nint rowTo)
    {
        for (var r = 0; r < rows; r++, from += rowFrom, to += rowTo) new ReadOnlySpan<float>(from, columns).CopyTo(new Span<float>(to, columns));
    }

    /// <summary>Interleaves columns of a matrix whose rows are k, <see cref="MatrixTile.MaxRowsOfThree"/> to a tile, as the left
    /// operand of a product, and adds each column up.</summary>
    /// <param name="source">First of the columns in row 0; whole vectors are read from it, up to 15 floats beyond the columns.</param>
    /// <param name="stride">Floats from row to row.</param>
    /// <param name="rows">Length of k.</param>
    /// <param name="columns">Columns, any number.</param>
    /// <param name="target">First tile; each receives rows · (its columns) floats, and up to 16 beyond are overwritten.</param>
    /// <param name="tileSize">Floats from tile to tile.</param>
    /// <param name="sums">Receives the sums, 16 floats a tile.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Interleave<V>(float* source, nint stride, int rows, int columns, float* target, nint tileSize, float* sums)
        where V : struct, ILanes<V>
    {
        // Rows lie pages apart, so no hardware fetches the next ones.
        const int tile = MatrixTile.MaxRowsOfThree, room = Padding.Lanes, ahead = 6;
        var tiles = (columns + tile - 1) / tile;
        new Span<float>(sums, tiles * room).Clear();
        for (nint k = 0; k < rows; k++, source += stride)
        {
            for (nint line = 0; line < columns; line += Padding.Lanes) Prefetch.Line(source + (ahead * stride) + line);
            for (nint t = 0; t < tiles; t++)
            {
                nint count = Math.Min(tile, columns - (t * tile));
                var from = source + (t * tile);
                var to = target + (t * tileSize) + (k * count);
                var sum = sums + (t * room);
                for (nuint i = 0; i < (nuint)count; i += (nuint)V.Count)
                {
                    var x = V.Load(in *from, i);
                    x.Store(ref *to, i);
                    (V.Load(in *sum, i) + x).Store(ref *sum, i);
                }
            }
        }
    }
}
