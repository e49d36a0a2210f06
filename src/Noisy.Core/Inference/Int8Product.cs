using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Noisy.Core;

/// <summary>The innermost loops of products with integers: sums that are exact, so that no order and no vector width can change them.</summary>
/// <remarks>A panel holds, for each pair of neighbouring k, both weights of sixteen units side by side.</remarks>
internal static unsafe class Int8Product
{
    /// <summary>Units of a panel.</summary>
    internal const int Units = 16;

    /// <summary>Most rows of one panel, and panels of one row, that are multiplied side by side.</summary>
    internal const int Most = 4;

    /// <summary>Rows of <see cref="Tile"/>.</summary>
    internal const int TileRows = 8;

    /// <summary>Sums of one row with some panels, or of some rows with one.</summary>
    /// <param name="x">First row of inputs, pairs of k.</param>
    /// <param name="rowX">Integers from row to row.</param>
    /// <param name="pairs">Pairs of k.</param>
    /// <param name="panels">First panel of each product.</param>
    /// <param name="count">Products: rows of one panel, or panels of one row.</param>
    /// <param name="sums">Receives the sums, <see cref="Units"/> a product.</param>
    /// <param name="width">A definite vector width.</param>
    internal static void Multiply(short* x, nint rowX, nint pairs, sbyte** panels, int count, int* sums, VectorWidth width)
    {
        var wide = width >= VectorWidth.Bits256 && Avx2.IsSupported;
        if (wide && count == Most && rowX == 0)
        {
            if (HasTile(width)) WidePanels(x, pairs, panels, sums);
            else Panels(x, pairs, panels, sums);
            return;
        }

        if (wide && count == Most)
        {
            Rows(x, rowX, pairs, panels[0], sums);
            return;
        }

        for (var i = 0; i < count; i++)
        {
            var panel = rowX == 0 ? panels[i] : panels[0];
            if (wide) Wide(x + (i * rowX), pairs, panel, sums + (i * Units));
            else if (width >= VectorWidth.Bits128 && Vector128.IsHardwareAccelerated) Narrow(x + (i * rowX), pairs, panel, sums + (i * Units));
            else Scalar(x + (i * rowX), pairs, panel, sums + (i * Units));
        }
    }

    /// <summary>Whether <see cref="Tile"/> can be used.</summary>
    internal static bool HasTile(VectorWidth width) => width == VectorWidth.Bits512 && Avx512BW.IsSupported;

    /// <summary>Sums of <see cref="TileRows"/> rows with two panels.</summary>
    /// <param name="x">First row of inputs, pairs of k.</param>
    /// <param name="rowX">Integers from row to row.</param>
    /// <param name="pairs">Pairs of k.</param>
    /// <param name="first">First panel.</param>
    /// <param name="second">Second panel.</param>
    /// <param name="sums">Receives the sums of the rows with the first panel, <see cref="Units"/> a row, then those with the second.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Tile(short* x, nint rowX, nint pairs, sbyte* first, sbyte* second, int* sums)
    {
        Vector512<int> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
        Vector512<int> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
        int* x0 = (int*)x, x1 = (int*)(x + rowX), x2 = (int*)(x + (2 * rowX)), x3 = (int*)(x + (3 * rowX));
        int* x4 = (int*)(x + (4 * rowX)), x5 = (int*)(x + (5 * rowX)), x6 = (int*)(x + (6 * rowX)), x7 = (int*)(x + (7 * rowX));
        for (nint pair = 0; pair < pairs; pair++, first += 2 * Units, second += 2 * Units)
        {
            var one = Avx512BW.ConvertToVector512Int16(Vector256.Load(first));
            var other = Avx512BW.ConvertToVector512Int16(Vector256.Load(second));
            var factors = Vector512.Create(x0[pair]).AsInt16();
            a0 += Avx512BW.MultiplyAddAdjacent(one, factors);
            b0 += Avx512BW.MultiplyAddAdjacent(other, factors);
            factors = Vector512.Create(x1[pair]).AsInt16();
            a1 += Avx512BW.MultiplyAddAdjacent(one, factors);
            b1 += Avx512BW.MultiplyAddAdjacent(other, factors);
            factors = Vector512.Create(x2[pair]).AsInt16();
            a2 += Avx512BW.MultiplyAddAdjacent(one, factors);
            b2 += Avx512BW.MultiplyAddAdjacent(other, factors);
            factors = Vector512.Create(x3[pair]).AsInt16();
            a3 += Avx512BW.MultiplyAddAdjacent(one, factors);
            b3 += Avx512BW.MultiplyAddAdjacent(other, factors);
            factors = Vector512.Create(x4[pair]).AsInt16();
            a4 += Avx512BW.MultiplyAddAdjacent(one, factors);
            b4 += Avx512BW.MultiplyAddAdjacent(other, factors);
            factors = Vector512.Create(x5[pair]).AsInt16();
            a5 += Avx512BW.MultiplyAddAdjacent(one, factors);
            b5 += Avx512BW.MultiplyAddAdjacent(other, factors);
            factors = Vector512.Create(x6[pair]).AsInt16();
            a6 += Avx512BW.MultiplyAddAdjacent(one, factors);
            b6 += Avx512BW.MultiplyAddAdjacent(other, factors);
            factors = Vector512.Create(x7[pair]).AsInt16();
            a7 += Avx512BW.MultiplyAddAdjacent(one, factors);
            b7 += Avx512BW.MultiplyAddAdjacent(other, factors);
        }

        a0.Store(sums);
        a1.Store(sums + Units);
        a2.Store(sums + (2 * Units));
        a3.Store(sums + (3 * Units));
        a4.Store(sums + (4 * Units));
        a5.Store(sums + (5 * Units));
        a6.Store(sums + (6 * Units));
        a7.Store(sums + (7 * Units));
        b0.Store(sums + (8 * Units));
        b1.Store(sums + (9 * Units));
        b2.Store(sums + (10 * Units));
        b3.Store(sums + (11 * Units));
        b4.Store(sums + (12 * Units));
        b5.Store(sums + (13 * Units));
        b6.Store(sums + (14 * Units));
        b7.Store(sums + (15 * Units));
    }

    /// <summary>What the others do.</summary>
    private static void Scalar(short* x, nint pairs, sbyte* panel, int* sums)
    {
        new Span<int>(sums, Units).Clear();
        for (nint pair = 0; pair < pairs; pair++, x += 2)
        {
            for (var unit = 0; unit < Units; unit++, panel += 2) sums[unit] += (panel[0] * x[0]) + (panel[1] * x[1]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Narrow(short* x, nint pairs, sbyte* panel, int* sums)
    {
        Vector128<int> s0 = default, s1 = default, s2 = default, s3 = default;
        for (nint pair = 0; pair < pairs; pair++, x += 2, panel += 2 * Units)
        {
            Vector128<int> even = Vector128.Create((int)x[0]), odd = Vector128.Create((int)x[1]);
            var (low, high) = (Vector128.Load(panel), Vector128.Load(panel + 16));
            s0 += Pairs(Vector128.WidenLower(low), even, odd);
            s1 += Pairs(Vector128.WidenUpper(low), even, odd);
            s2 += Pairs(Vector128.WidenLower(high), even, odd);
            s3 += Pairs(Vector128.WidenUpper(high), even, odd);
        }

        s0.Store(sums);
        s1.Store(sums + 4);
        s2.Store(sums + 8);
        s3.Store(sums + 12);
    }

    /// <summary>Products of four units' pairs, added up.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Pairs(Vector128<short> weights, Vector128<int> even, Vector128<int> odd)
    {
        var both = weights.AsInt32(); // a pair in each, the first in the lower half
        return (((both << 16) >> 16) * even) + ((both >> 16) * odd);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wide(short* x, nint pairs, sbyte* panel, int* sums)
    {
        Vector256<int> s0 = default, s1 = default;
        for (nint pair = 0; pair < pairs; pair++, panel += 2 * Units)
        {
            var factors = Vector256.Create(((int*)x)[pair]).AsInt16();
            s0 = Avx2.Add(s0, Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(panel), factors));
            s1 = Avx2.Add(s1, Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(panel + 16), factors));
        }

        s0.Store(sums);
        s1.Store(sums + 8);
    }

    /// <summary>One row, four panels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Panels(short* x, nint pairs, sbyte** panels, int* sums)
    {
        Vector256<int> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
        sbyte* b0 = panels[0], b1 = panels[1], b2 = panels[2], b3 = panels[3];
        for (nint pair = 0, at = 0; pair < pairs; pair++, at += 2 * Units)
        {
            var factors = Vector256.Create(((int*)x)[pair]).AsInt16();
            s0 = Avx2.Add(s0, Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(b0 + at), factors));
            s1 = Avx2.Add(s1, Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(b0 + at + 16), factors));
            s2 = Avx2.Add(s2, Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(b1 + at), factors));
            s3 = Avx2.Add(s3, Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(b1 + at + 16), factors));
            s4 = Avx2.Add(s4, Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(b2 + at), factors));
            s5 = Avx2.Add(s5, Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(b2 + at + 16), factors));
            s6 = Avx2.Add(s6, Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(b3 + at), factors));
            s7 = Avx2.Add(s7, Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(b3 + at + 16), factors));
        }

        s0.Store(sums);
        s1.Store(sums + 8);
        s2.Store(sums + 16);
        s3.Store(sums + 24);
        s4.Store(sums + 32);
        s5.Store(sums + 40);
        s6.Store(sums + 48);
        s7.Store(sums + 56);
    }

    /// <summary>One row, four panels, a panel's sums in one vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidePanels(short* x, nint pairs, sbyte** panels, int* sums)
    {
        Vector512<int> s0 = default, s1 = default, s2 = default, s3 = default;
        sbyte* b0 = panels[0], b1 = panels[1], b2 = panels[2], b3 = panels[3];
        for (nint pair = 0, at = 0; pair < pairs; pair++, at += 2 * Units)
        {
            var factors = Vector512.Create(((int*)x)[pair]).AsInt16();
            s0 += Avx512BW.MultiplyAddAdjacent(Avx512BW.ConvertToVector512Int16(Vector256.Load(b0 + at)), factors);
            s1 += Avx512BW.MultiplyAddAdjacent(Avx512BW.ConvertToVector512Int16(Vector256.Load(b1 + at)), factors);
            s2 += Avx512BW.MultiplyAddAdjacent(Avx512BW.ConvertToVector512Int16(Vector256.Load(b2 + at)), factors);
            s3 += Avx512BW.MultiplyAddAdjacent(Avx512BW.ConvertToVector512Int16(Vector256.Load(b3 + at)), factors);
        }

        s0.Store(sums);
        s1.Store(sums + Units);
        s2.Store(sums + (2 * Units));
        s3.Store(sums + (3 * Units));
    }

    /// <summary>Four rows, one panel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows(short* x, nint rowX, nint pairs, sbyte* panel, int* sums)
    {
        Vector256<int> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
        int* x0 = (int*)x, x1 = (int*)(x + rowX), x2 = (int*)(x + (2 * rowX)), x3 = (int*)(x + (3 * rowX));
        for (nint pair = 0; pair < pairs; pair++, panel += 2 * Units)
        {
            Vector256<short> low = Avx2.ConvertToVector256Int16(panel), high = Avx2.ConvertToVector256Int16(panel + 16);
            var factors = Vector256.Create(x0[pair]).AsInt16();
            s0 = Avx2.Add(s0, Avx2.MultiplyAddAdjacent(low, factors));
            s1 = Avx2.Add(s1, Avx2.MultiplyAddAdjacent(high, factors));
            factors = Vector256.Create(x1[pair]).AsInt16();
            s2 = Avx2.Add(s2, Avx2.MultiplyAddAdjacent(low, factors));
            s3 = Avx2.Add(s3, Avx2.MultiplyAddAdjacent(high, factors));
            factors = Vector256.Create(x2[pair]).AsInt16();
            s4 = Avx2.Add(s4, Avx2.MultiplyAddAdjacent(low, factors));
            s5 = Avx2.Add(s5, Avx2.MultiplyAddAdjacent(high, factors));
            factors = Vector256.Create(x3[pair]).AsInt16();
            s6 = Avx2.Add(s6, Avx2.MultiplyAddAdjacent(low, factors));
            s7 = Avx2.Add(s7, Avx2.MultiplyAddAdjacent(high, factors));
        }

        s0.Store(sums);
        s1.Store(sums + 8);
        s2.Store(sums + 16);
        s3.Store(sums + 24);
        s4.Store(sums + 32);
        s5.Store(sums + 40);
        s6.Store(sums + 48);
        s7.Store(sums + 56);
    }
}
