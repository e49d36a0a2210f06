namespace Noisy.Core;

/// <summary>A packed matrix in single precision: panels of two or three vectors of units, the last of a block perhaps of fewer.</summary>
/// <remarks>Each element is one chain of fused multiply-adds in the order of k, as everywhere in the engine.</remarks>
// Lives as long as its model, and its memory is freed with it.
#pragma warning disable CA1001
internal sealed unsafe class FloatMatrix<V> : PackedMatrix
#pragma warning restore CA1001
    where V : struct, ILanes<V>
{
    private readonly NativeBuffer panels;

    internal FloatMatrix(FloatTensor weight, int blocks)
        : base(blocks, weight.Shape[0] / blocks, weight.Shape[1], MostWide(weight.Shape[0] / blocks) * V.Count)
    {
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
    private static int MostWide(int units) => Padding.RoundUp(units) >= 24 * V.Count ? 3 : 2;

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
                    var from = Panel(panel, block);
                    MatrixProduct.Multiply<V, RowMajor>(
                        count, Wide(panel), at.X + (first * at.RowX), at.RowX, from, Wide(panel) * V.Count, Depth,
                        at.Y + (block * at.BlockY) + (first * at.RowY) + unit, at.RowY, V.Count,
                        at.Start + (block * at.BlockStart) + (first * at.RowStart) + unit, at.RowStart, from + PanelSize);
                }
            }
        }
    }

    /// <summary>One row: four panels at a time, since the chains of one alone would wait for each other.</summary>
    private void MultiplyOne(in PackedOperands at, int firstBlock, int endBlock, int firstPanel, int endPanel)
    {
        const int most = RowProduct.Panels;
        float** from = stackalloc float*[most], start = stackalloc float*[most], to = stackalloc float*[most];
        var waiting = 0;
        for (var panel = firstPanel; panel < endPanel; panel++)
        {
            nint unit = panel * PanelUnits;
            for (var block = firstBlock; block < endBlock; block++)
            {
                from[waiting] = Panel(panel, block);
                start[waiting] = at.Start + (block * at.BlockStart) + unit;
                to[waiting] = at.Y + (block * at.BlockY) + unit;
                if (Wide(panel) < Most)
                {
                    One(at, Wide(panel), from[waiting], start[waiting], to[waiting]);
                    continue;
                }

                if (++waiting < most) continue;
                if (Most == 3) RowProduct.Multiply<V, Count3>(at.X, Depth, from, start, to);
                else RowProduct.Multiply<V, Count2>(at.X, Depth, from, start, to);
                waiting = 0;
            }
        }

        for (var i = 0; i < waiting; i++) One(at, Most, from[i], start[i], to[i]);
    }

    private void One(in PackedOperands at, int wide, float* panel, float* start, float* to) =>
        MatrixProduct.Multiply<V, RowMajor>(1, wide, at.X, at.RowX, panel, wide * V.Count, Depth, to, at.RowY, V.Count, start, at.RowStart);
}
