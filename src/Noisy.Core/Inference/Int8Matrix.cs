using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Noisy.Core;

/// <summary>A packed matrix of integers of eight bits, with a scale for each row.</summary>
/// <remarks>
/// A row of inputs becomes integers too, of as many bits as an exact sum of 32 bits allows (fourteen or more up to a depth of 1,000), with a scale of
/// its own: y = start + (Σ wₖ xₖ) · (scale of W's row · scale of x's row), the last product and sum rounded once. Sums of integers are exact,
/// so the bits depend on no vector width, no order and no number of threads.
/// </remarks>
// Lives as long as its model, and its memory is freed with it.
#pragma warning disable CA1001
internal sealed unsafe class Int8Matrix : PackedMatrix
#pragma warning restore CA1001
{
    private readonly NativeBuffer panels;
    private readonly NativeBuffer scales;
    private readonly VectorWidth width;
    private readonly int pairs, greatestInput;

    internal Int8Matrix(FloatTensor weight, int blocks, VectorWidth width)
        : base(blocks, weight.Shape[0] / blocks, weight.Shape[1], Int8Product.Units)
    {
        this.width = width;
        (pairs, greatestInput) = ((Depth + 1) / 2, Int8Rows.GreatestInput(Depth));
        panels = new NativeBuffer((long)Blocks * Panels * PanelSize / sizeof(float));
        scales = new NativeBuffer((long)Blocks * Padded);
        var row = new sbyte[2 * pairs];
        for (var block = 0; block < Blocks; block++)
        {
            for (var unit = 0; unit < Units; unit++)
            {
                var scale = Int8Rows.Quantize(weight.Values.AsSpan(((block * Units) + unit) * Depth, Depth), row);
                if (float.IsNaN(scale)) throw new InvalidDataException($"its tensor {weight} is not finite, so eight bits cannot hold it: load it in single precision");
                scales.Start[(block * Padded) + unit] = scale;
                var to = Panel(unit / PanelUnits, block) + (unit % PanelUnits * 2);
                for (nint pair = 0; pair < pairs; pair++, to += 2 * PanelUnits) (to[0], to[1]) = (row[2 * pair], row[(2 * pair) + 1]);
            }
        }
    }

    private nint PanelSize => (nint)2 * PanelUnits * pairs;

    private sbyte* Panel(int panel, int block) => (sbyte*)panels.Start + ((((nint)panel * Blocks) + block) * PanelSize);

    internal override void Multiply(in PackedOperands at, int firstBlock, int endBlock, int firstPanel, int endPanel)
    {
        if (endPanel <= firstPanel) return;
        var row = 2 * pairs;
        const int most = 40; // rows: their integers stay in a second-level cache beside the panels
        var rented = ArrayPool<short>.Shared.Rent(Math.Min(at.Rows, most) * row);
        var scalesX = stackalloc float[most];
        fixed (short* integers = rented)
        {
            for (nint first = 0; first < at.Rows; first += most)
            {
                var count = (int)Math.Min(most, at.Rows - first);
                for (var r = 0; r < count; r++)
                {
                    var to = integers + ((nint)r * row);
                    to[row - 1] = 0; // where the depth is odd
                    scalesX[r] = Integers(at.X + ((first + r) * at.RowX), to);
                }

                var rows = new Rows { Integers = integers, Scales = scalesX, First = first, Count = count };
                if (count == 1) MultiplyOne(at, rows, firstBlock, endBlock, firstPanel, endPanel);
                else MultiplyMany(at, rows, firstBlock, endBlock, firstPanel, endPanel);
            }
        }

        ArrayPool<short>.Shared.Return(rented);
        GC.KeepAlive(this); // the buffers' finalisers free what the loops read
    }

    private void MultiplyMany(in PackedOperands at, in Rows rows, int firstBlock, int endBlock, int firstPanel, int endPanel)
    {
        const int most = Int8Product.Most, tile = Int8Product.TileRows;
        var sums = stackalloc int[2 * tile * Int8Product.Units];
        nint row = 2 * pairs;
        var blocks = endBlock - firstBlock;
        var all = (endPanel - firstPanel) * blocks;
        for (var i = 0; i < all;)
        {
            // Two panels at a time where there is a tile for them; rows that do not fill one pass the panels one by one.
            var two = Int8Product.HasTile(width) && i + 1 < all;
            var tiled = two ? rows.Count / tile * tile : 0;
            for (var r = 0; r < tiled; r += tile)
            {
                Int8Product.Tile(rows.Integers + (r * row), row, pairs, At(i), At(i + 1), sums);
                for (var n = 0; n < 2 * tile; n++) End(at, rows, r + (n % tile), i + (n / tile), sums + (n * Int8Product.Units));
            }

            for (var last = i + (two ? 2 : 1); i < last; i++)
            {
                var from = At(i);
                for (var r = tiled; r < rows.Count; r += most)
                {
                    var count = Math.Min(most, rows.Count - r);
                    Int8Product.Multiply(rows.Integers + (r * row), row, pairs, &from, count, sums, width);
                    for (var n = 0; n < count; n++) End(at, rows, r + n, i, sums + (n * Int8Product.Units));
                }
            }
        }

        sbyte* At(int item) => Panel(firstPanel + (item / blocks), firstBlock + (item % blocks));

        void End(in PackedOperands at, in Rows rows, int r, int item, int* sum) =>
            Finish(at, rows.First + r, rows.Scales[r], firstPanel + (item / blocks), firstBlock + (item % blocks), sum);
    }

    private void MultiplyOne(in PackedOperands at, in Rows rows, int firstBlock, int endBlock, int firstPanel, int endPanel)
    {
        const int most = Int8Product.Most;
        var sums = stackalloc int[most * Int8Product.Units];
        var from = stackalloc sbyte*[most];
        var blocks = endBlock - firstBlock;
        var all = (endPanel - firstPanel) * blocks;
        for (var i = 0; i < all; i += most)
        {
            var count = Math.Min(most, all - i);
            for (var j = 0; j < count; j++) from[j] = Panel(firstPanel + ((i + j) / blocks), firstBlock + ((i + j) % blocks));
            Int8Product.Multiply(rows.Integers, 0, pairs, from, count, sums, width);
            for (var j = 0; j < count; j++)
                Finish(at, rows.First, rows.Scales[0], firstPanel + ((i + j) / blocks), firstBlock + ((i + j) % blocks), sums + (j * Int8Product.Units));
        }
    }

    /// <summary>From sums of integers to numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Finish(in PackedOperands at, nint row, float scaleX, int panel, int block, int* sums)
    {
        nint unit = panel * PanelUnits;
        var start = at.Start + (block * at.BlockStart) + (row * at.RowStart) + unit;
        var y = at.Y + (block * at.BlockY) + (row * at.RowY) + unit;
        var scale = scales.Start + ((nint)block * Padded) + unit;
        for (var i = 0; i < Int8Product.Units; i += 4)
        {
            var sum = new Lanes4(Vector128.ConvertToSingle(Vector128.Load(sums + i)));
            Lanes4.MultiplyAdd(sum, Lanes4.Load(in scale[i], 0) * scaleX, Lanes4.Load(in start[i], 0)).Store(ref y[i], 0);
        }
    }

    /// <summary>A row of inputs as integers; the bits of <see cref="Int8Rows"/>.</summary>
    /// <returns>Its scale.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private float Integers(float* x, short* to)
    {
        if (width < VectorWidth.Bits128 || !Vector128.IsHardwareAccelerated)
            return Int8Rows.Quantize(new ReadOnlySpan<float>(x, Depth), new Span<short>(to, Depth), greatestInput);
        var most = Vector128<int>.Zero;
        var i = 0;
        for (; i <= Depth - 4; i += 4) most = Vector128.Max(most, Vector128.Load((int*)x + i) & Vector128.Create(int.MaxValue));
        var bits = Math.Max(Math.Max(most[0], most[1]), Math.Max(most[2], most[3]));
        for (; i < Depth; i++) bits = Math.Max(bits, ((int*)x)[i] & int.MaxValue);
        var (scale, inverse) = Int8Rows.Scale(BitConverter.Int32BitsToSingle(bits), greatestInput);
        if (inverse == 0)
        {
            new Span<short>(to, Depth).Clear();
            return scale;
        }

        // Adding 1.5 · 2²³ rounds to an integer, halves to even, and leaves it in the lowest bits.
        const float shift = 12582912f;
        for (i = 0; i <= Depth - 8; i += 8)
        {
            var low = ((Vector128.Load(x + i) * inverse) + Vector128.Create(shift)).AsInt32() - Vector128.Create(0x4B400000);
            var high = ((Vector128.Load(x + i + 4) * inverse) + Vector128.Create(shift)).AsInt32() - Vector128.Create(0x4B400000);
            Vector128.Narrow(low, high).Store(to + i);
        }

        for (; i < Depth; i++) to[i] = (short)MathF.Round(x[i] * inverse);
        return scale;
    }

    /// <summary>Inputs as integers: some rows from the first on.</summary>
    private struct Rows
    {
        internal short* Integers;
        internal float* Scales;
        internal nint First;
        internal int Count;
    }
}
