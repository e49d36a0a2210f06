using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>Copies matrices into panels: for each k, the elements of one or two vectors of columns side by side.</summary>
internal static unsafe class Panels
{
    /// <summary>Packs columns of a matrix whose rows are k.</summary>
    /// <param name="source">First of the columns in row 0.</param>
    /// <param name="stride">Floats from row to row.</param>
    /// <param name="rows">Length of k.</param>
    /// <param name="columns">Columns there are, at most the panel's width; the rest is filled with zeros.</param>
    /// <param name="panel">Receives rows · width floats.</param>
    /// <param name="width">Floats a row of the panel.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void PackRows<V>(float* source, nint stride, int rows, int columns, float* panel, int width)
        where V : struct, ILanes<V>
    {
        if (columns < width)
        {
            for (var k = 0; k < rows; k++, source += stride, panel += width)
            {
                for (var i = 0; i < columns; i++) panel[i] = source[i];
                for (var i = columns; i < width; i++) panel[i] = 0;
            }

            return;
        }

        for (var k = 0; k < rows; k++, source += stride, panel += width)
        {
            for (nuint i = 0; i < (nuint)width; i += (nuint)V.Count) V.Load(in *source, i).Store(ref *panel, i);
        }
    }

    /// <summary>Packs one row of a matrix as one column of a panel.</summary>
    /// <param name="row">The row; null gives a column of zeros.</param>
    /// <param name="length">Length of k.</param>
    /// <param name="column">First float of the column in the panel.</param>
    /// <param name="width">Floats a row of the panel.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void PackColumn(float* row, int length, float* column, int width)
    {
        if (row == null)
        {
            for (nint k = 0; k < length; k++) column[k * width] = 0;
            return;
        }

        for (nint k = 0; k < length; k++) column[k * width] = row[k];
    }

    /// <summary>Interleaves up to ten columns of a matrix whose rows are k, as the left operand of a product, and adds each
    /// column up.</summary>
    /// <param name="source">First of the columns in row 0; whole vectors are read from it.</param>
    /// <param name="stride">Floats from row to row.</param>
    /// <param name="rows">Length of k.</param>
    /// <param name="count">Columns, 1 to <see cref="MatrixTile.MaxRows"/>.</param>
    /// <param name="target">Receives rows · count floats; up to 16 beyond are overwritten.</param>
    /// <param name="sums">Receives the sums; up to 16 floats are overwritten.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Interleave<V>(float* source, nint stride, int rows, int count, float* target, float* sums)
        where V : struct, ILanes<V>
    {
        for (nuint i = 0; i < (nuint)count; i += (nuint)V.Count)
        {
            V sum = 0f;
            var from = source;
            for (var k = 0; k < rows; k++, from += stride) sum = sum + V.Load(in *from, i);
            sum.Store(ref *sums, i);
        }

        for (var k = 0; k < rows; k++, source += stride, target += count)
        {
            for (nuint i = 0; i < (nuint)count; i += (nuint)V.Count) V.Load(in *source, i).Store(ref *target, i);
        }
    }
}
