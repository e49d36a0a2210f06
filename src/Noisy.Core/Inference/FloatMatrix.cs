namespace Noisy.Core;

/// <summary>A packed matrix in single precision: panels of two or three vectors of units, the last of a block perhaps of fewer.</summary>
/// <remarks>Each element is a chain of fused multiply-adds in the order of k, or a chain for each piece of the depth, as in the engine.</remarks>
// Lives as long as its model, and its memory is freed with it.
#pragma warning disable CA1001
internal sealed unsafe class FloatMatrix<V> : PackedMatrix
#pragma warning restore CA1001
    where V : struct, ILanes<V>
{
    private readonly NativeBuffer panels;
    private readonly nint[] starts; // of the pieces of the depth, and the end

    internal FloatMatrix(FloatTensor weight, int blocks, bool inPieces)
        : base(blocks, weight.Shape[0] / blocks, weight.Shape[1], MostWide(weight.Shape[0] / blocks) * V.Count)
    {
        var pieces = inPieces ? (int)MatrixProduct.Pieces(Depth) : 1;
        starts = [.. Enumerable.Range(0, pieces + 1).Select(piece => MatrixProduct.PieceStart(Depth, piece, pieces))];
        panels = new NativeBuffer((long)Blocks * Panels * PanelSize);
        fixed (float* source = weight.Values)
        {
            for (var panel = 0; panel < Panels; panel++)
            {
                for (var block = 0; block < Blocks; block++)
                {
                    var unit = panel * PanelUnits;
                    Core.Panels.PackColumns(
                        source + ((((nint)block * Units) + unit) * Depth), Depth, Math.Clamp(Units - unit, 0, Wide(panel) * V.Count), Depth,
                        Panel(panel, block), Wide(panel) * V.Count, Wide(panel) * V.Count);
                }
            }
        }
    }

    /// <summary>Vectors of a panel: three keep the processor busier, two share few units among threads more evenly.</summary>
    private static int MostWide(int units) => Padding.RoundUp(units) >= 12 * V.Count ? 3 : 2;

    private int Most => PanelUnits / V.Count;

    private nint PanelSize => (nint)PanelUnits * Depth;

    private int Wide(int panel) => Math.Min(Most, (Padded / V.Count) - (Most * panel));

    private float* Panel(int panel, int block) => panels.Start + ((((nint)panel * Blocks) + block) * PanelSize);

    internal override void Multiply(in PackedOperands at, int firstBlock, int endBlock, int firstPanel, int endPanel)
    {
        if (at.Rows == 1) MultiplyOne(at, firstBlock, endBlock, firstPanel, endPanel);
        else MultiplyMany(at, firstBlock, endBlock, firstPanel, endPanel);
        GC.KeepAlive(panels); // its finaliser frees what the loops read
    }

    private void MultiplyMany(in PackedOperands at, int firstBlock, int endBlock, int firstPanel, int endPanel)
    {
        var most = MatrixProduct.BlockRows(Depth);
        for (nint first = 0; first < at.Rows; first += most)
        {
            var count = (int)Math.Min(most, at.Rows - first);
            for (var panel = firstPanel; panel < endPanel; panel++)
            {
                for (var block = firstBlock; block < endBlock; block++)
                {
                    nint unit = panel * PanelUnits;
                    Rows(
                        count, Wide(panel), at.X + (first * at.RowX), at.RowX, Panel(panel, block), at.Y + (block * at.BlockY) + (first * at.RowY) + unit, at.RowY,
                        at.Start + (block * at.BlockStart) + (first * at.RowStart) + unit, at.RowStart, PanelSize);
                }
            }
        }
    }

    /// <summary>One row: four panels at a time, since the chains of one alone would wait for each other.</summary>
    private void MultiplyOne(in PackedOperands at, int firstBlock, int endBlock, int firstPanel, int endPanel)
    {
        const int most = RowProduct.Panels;
        float** from = stackalloc float*[most], start = stackalloc float*[most], to = stackalloc float*[most];
        var (waiting, wide) = (0, Most);
        for (var panel = firstPanel; panel < endPanel; panel++)
        {
            if (Wide(panel) != wide)
            {
                Flush(at);
                wide = Wide(panel);
            }

            nint unit = panel * PanelUnits;
            for (var block = firstBlock; block < endBlock; block++)
            {
                from[waiting] = Panel(panel, block);
                start[waiting] = at.Start + (block * at.BlockStart) + unit;
                to[waiting] = at.Y + (block * at.BlockY) + unit;
                if (++waiting < most) continue;
                Four(at.X, wide, from, start, to);
                waiting = 0;
            }
        }

        Flush(at);

        void Flush(in PackedOperands at)
        {
            for (var i = 0; i < waiting; i++) One(at, wide, from[i], start[i], to[i]);
            waiting = 0;
        }
    }

    private void One(in PackedOperands at, int wide, float* panel, float* start, float* to) =>
        Rows(1, wide, at.X, at.RowX, panel, to, at.RowY, start, at.RowStart, 0);

    /// <summary>Some rows with a panel; the one that lies so many floats further is fetched meanwhile, if any.</summary>
    private void Rows(int count, int wide, float* x, nint rowX, float* panel, float* to, nint rowTo, float* start, nint rowStart, nint next)
    {
        nint rowB = wide * V.Count;
        for (var piece = 0; piece < starts.Length - 1; piece++)
        {
            var first = starts[piece];
            var b = panel + (first * rowB);
            MatrixProduct.Multiply<V, RowMajor>(
                count, wide, x + first, rowX, b, rowB, starts[piece + 1] - first, to, rowTo, V.Count,
                piece == 0 ? start : to, piece == 0 ? rowStart : rowTo, next == 0 ? null : b + next);
        }
    }

    /// <summary>A row with four panels of so many vectors.</summary>
    private void Four(float* x, int wide, float** panels, float** start, float** to)
    {
        for (var piece = 0; piece < starts.Length - 1; piece++)
        {
            var (first, length) = (starts[piece], starts[piece + 1] - starts[piece]);
            var from = piece == 0 ? start : to;
            if (wide == 3) RowProduct.Multiply<V, Count3>(x + first, length, panels, from, to);
            else if (wide == 2) RowProduct.Multiply<V, Count2>(x + first, length, panels, from, to);
            else RowProduct.Multiply<V, Count1>(x + first, length, panels, from, to);
            for (var i = 0; i < RowProduct.Panels; i++) panels[i] += length * wide * V.Count;
        }
    }
}
