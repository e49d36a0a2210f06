using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>How the left operand of a product lies in memory.</summary>
internal interface IOperandLayout
{
    /// <summary>Whether element (row, k) is at a + k · stride + row, and not at a + row · stride + k.</summary>
    static abstract bool Interleaved { get; }
}

/// <summary>Rows as they are, a stride apart.</summary>
internal readonly struct RowMajor : IOperandLayout
{
    public static bool Interleaved => false;
}

/// <summary>The rows of a tile side by side: all of k = 0, then all of k = 1, …</summary>
internal readonly struct InterleavedRows : IOperandLayout
{
    public static bool Interleaved => true;
}

/// <summary>The innermost loop of every product: a tile of the result kept in registers.</summary>
/// <remarks>
/// Each element is a chain of fused multiply-adds in the order of k for each piece of k, which is added to what it starts from before the next piece
/// begins. So the bits depend neither on the tile's shape nor on the vector width. The counts are types, so that the compiler drops the rows
/// and vectors that a tile does not have.
/// </remarks>
internal static unsafe class MatrixTile
{
    /// <summary>Most rows of a tile of one or two vectors.</summary>
    internal const int MaxRows = 10;

    /// <summary>Most rows of a tile of three vectors: with them, the vectors of B and one of A, all registers are in use.</summary>
    internal const int MaxRowsOfThree = 8;

    /// <summary>C = start + A·B for TRows rows and TWide vectors, at most three.</summary>
    /// <param name="a">First element of A.</param>
    /// <param name="stride">Row-major: floats from row to row of A. Interleaved: floats from k to k.</param>
    /// <param name="b">TWide vectors for each k, one after another.</param>
    /// <param name="rowB">Floats from k to k of B; TWide vectors if it is a packed panel.</param>
    /// <param name="depth">Length of k.</param>
    /// <param name="c">First element of C.</param>
    /// <param name="rowC">Floats from row to row of C.</param>
    /// <param name="vectorC">Floats from one vector of a row of C to the next.</param>
    /// <param name="start">What the products are added to, laid out as C; null for nothing.</param>
    /// <param name="rowStart">Floats from row to row of start.</param>
    /// <param name="ahead">What will be read later and is fetched meanwhile; any address.</param>
    /// <param name="step">Floats of it for each k.</param>
    /// <param name="pieces">Pieces of k, each a chain of its own: <see cref="MatrixProduct.PieceStart"/>. What the first ones give is in C when the
    /// next ones are added.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Multiply<V, TRows, TWide, TLayout>(
        float* a, nint stride, float* b, nint rowB, nint depth, float* c, nint rowC, nint vectorC, float* start, nint rowStart,
        float* ahead, nint step, nint pieces = 1)
        where V : struct, ILanes<V>
        where TRows : struct, ICount
        where TWide : struct, ICount
        where TLayout : struct, IOperandLayout
    {
        // The loop takes long enough for the lines of the result to arrive before it is stored.
        for (nint row = 0; row < TRows.Value; row++)
        {
            var to = c + (row * rowC);
            Prefetch.Line(to);
            if (TWide.Value > 1) Prefetch.Line(to + vectorC);
            if (TWide.Value > 2) Prefetch.Line(to + (2 * vectorC));
            Prefetch.Line(to + ((TWide.Value - 1) * vectorC) + V.Count - 1);
        }

        var a0 = a;
        var a1 = TLayout.Interleaved ? a : a0 + stride;
        var a2 = TLayout.Interleaved ? a : a1 + stride;
        var a3 = TLayout.Interleaved ? a : a2 + stride;
        var a4 = TLayout.Interleaved ? a : a3 + stride;
        var a5 = TLayout.Interleaved ? a : a4 + stride;
        var a6 = TLayout.Interleaved ? a : a5 + stride;
        var a7 = TLayout.Interleaved ? a : a6 + stride;
        var a8 = TLayout.Interleaved ? a : a7 + stride;
        var a9 = TLayout.Interleaved ? a : a8 + stride;
        nint k = 0, piece = 0;
        while (true)
        {
            V c00 = 0f, c01 = 0f, c02 = 0f;
            V c10 = 0f, c11 = 0f, c12 = 0f;
            V c20 = 0f, c21 = 0f, c22 = 0f;
            V c30 = 0f, c31 = 0f, c32 = 0f;
            V c40 = 0f, c41 = 0f, c42 = 0f;
            V c50 = 0f, c51 = 0f, c52 = 0f;
            V c60 = 0f, c61 = 0f, c62 = 0f;
            V c70 = 0f, c71 = 0f, c72 = 0f;
            V c80 = 0f, c81 = 0f;
            V c90 = 0f, c91 = 0f;
            var end = MatrixProduct.PieceStart(depth, ++piece, pieces);
            for (; k < end; k++)
            {
                var b0 = V.Load(in *b, 0);
                var b1 = TWide.Value > 1 ? V.Load(in *b, (nuint)V.Count) : 0f;
                var b2 = TWide.Value > 2 ? V.Load(in *b, 2 * (nuint)V.Count) : 0f;
                b += rowB;
                Prefetch.Far(ahead); // one line a step: all of a panel's at once, before the loop, gained nothing
                ahead += step;
                V x = TLayout.Interleaved ? a0[0] : a0[k];
                c00.AddProduct(x, b0);
                if (TWide.Value > 1) c01.AddProduct(x, b1);
                if (TWide.Value > 2) c02.AddProduct(x, b2);
                if (TRows.Value > 1)
                {
                    x = TLayout.Interleaved ? a0[1] : a1[k];
                    c10.AddProduct(x, b0);
                    if (TWide.Value > 1) c11.AddProduct(x, b1);
                    if (TWide.Value > 2) c12.AddProduct(x, b2);
                }

                if (TRows.Value > 2)
                {
                    x = TLayout.Interleaved ? a0[2] : a2[k];
                    c20.AddProduct(x, b0);
                    if (TWide.Value > 1) c21.AddProduct(x, b1);
                    if (TWide.Value > 2) c22.AddProduct(x, b2);
                }

                if (TRows.Value > 3)
                {
                    x = TLayout.Interleaved ? a0[3] : a3[k];
                    c30.AddProduct(x, b0);
                    if (TWide.Value > 1) c31.AddProduct(x, b1);
                    if (TWide.Value > 2) c32.AddProduct(x, b2);
                }

                if (TRows.Value > 4)
                {
                    x = TLayout.Interleaved ? a0[4] : a4[k];
                    c40.AddProduct(x, b0);
                    if (TWide.Value > 1) c41.AddProduct(x, b1);
                    if (TWide.Value > 2) c42.AddProduct(x, b2);
                }

                if (TRows.Value > 5)
                {
                    x = TLayout.Interleaved ? a0[5] : a5[k];
                    c50.AddProduct(x, b0);
                    if (TWide.Value > 1) c51.AddProduct(x, b1);
                    if (TWide.Value > 2) c52.AddProduct(x, b2);
                }

                if (TRows.Value > 6)
                {
                    x = TLayout.Interleaved ? a0[6] : a6[k];
                    c60.AddProduct(x, b0);
                    if (TWide.Value > 1) c61.AddProduct(x, b1);
                    if (TWide.Value > 2) c62.AddProduct(x, b2);
                }

                if (TRows.Value > 7)
                {
                    x = TLayout.Interleaved ? a0[7] : a7[k];
                    c70.AddProduct(x, b0);
                    if (TWide.Value > 1) c71.AddProduct(x, b1);
                    if (TWide.Value > 2) c72.AddProduct(x, b2);
                }

                if (TRows.Value > 8)
                {
                    x = TLayout.Interleaved ? a0[8] : a8[k];
                    c80.AddProduct(x, b0);
                    if (TWide.Value > 1) c81.AddProduct(x, b1);
                }

                if (TRows.Value > 9)
                {
                    x = TLayout.Interleaved ? a0[9] : a9[k];
                    c90.AddProduct(x, b0);
                    if (TWide.Value > 1) c91.AddProduct(x, b1);
                }

                if (TLayout.Interleaved) a0 += stride;
            }

            Finish<V, TWide>(c00, c01, c02, c, vectorC, start);
            if (TRows.Value > 1) Finish<V, TWide>(c10, c11, c12, c + (1 * rowC), vectorC, start == null ? null : start + (1 * rowStart));
            if (TRows.Value > 2) Finish<V, TWide>(c20, c21, c22, c + (2 * rowC), vectorC, start == null ? null : start + (2 * rowStart));
            if (TRows.Value > 3) Finish<V, TWide>(c30, c31, c32, c + (3 * rowC), vectorC, start == null ? null : start + (3 * rowStart));
            if (TRows.Value > 4) Finish<V, TWide>(c40, c41, c42, c + (4 * rowC), vectorC, start == null ? null : start + (4 * rowStart));
            if (TRows.Value > 5) Finish<V, TWide>(c50, c51, c52, c + (5 * rowC), vectorC, start == null ? null : start + (5 * rowStart));
            if (TRows.Value > 6) Finish<V, TWide>(c60, c61, c62, c + (6 * rowC), vectorC, start == null ? null : start + (6 * rowStart));
            if (TRows.Value > 7) Finish<V, TWide>(c70, c71, c72, c + (7 * rowC), vectorC, start == null ? null : start + (7 * rowStart));
            if (TRows.Value > 8) Finish<V, TWide>(c80, c81, 0f, c + (8 * rowC), vectorC, start == null ? null : start + (8 * rowStart));
            if (TRows.Value > 9) Finish<V, TWide>(c90, c91, 0f, c + (9 * rowC), vectorC, start == null ? null : start + (9 * rowStart));
            if (piece == pieces) return;
            start = c;
            rowStart = rowC;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<V, TWide>(V first, V second, V third, float* c, nint vectorC, float* start)
        where V : struct, ILanes<V>
        where TWide : struct, ICount
    {
        if (start != null)
        {
            first = V.Load(in *start, 0) + first;
            if (TWide.Value > 1) second = V.Load(in *(start + vectorC), 0) + second;
            if (TWide.Value > 2) third = V.Load(in *(start + (2 * vectorC)), 0) + third;
        }

        first.Store(ref *c, 0);
        if (TWide.Value > 1) second.Store(ref *(c + vectorC), 0);
        if (TWide.Value > 2) third.Store(ref *(c + (2 * vectorC)), 0);
    }
}
