namespace Noisy.Core;

/// <summary>A packed matrix in single precision: panels of two vectors of units, the last of a block perhaps of one.</summary>
/// <remarks>Each element is one chain of fused multiply-adds in the order of k, as everywhere in the engine.</remarks>
// Lives as long as its model, and its memory is freed with it.
#pragma warning disable CA1001
internal sealed unsafe class FloatMatrix<V> : PackedMatrix
#pragma warning restore CA1001
    where V : struct, ILanes<V>
{
    private readonly NativeBuffer panels;

    internal FloatMatrix(FloatTensor weight, int blocks)
        : base(blocks, weight.Shape[0] / blocks, weight.Shape[1], 2 * V.Count)
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
                        source + ((((nint)block * Units) + unit) * Depth), Depth, Math.Clamp(Units - unit, 0, PanelUnits), Depth,
                        Panel(panel, block), Wide(panel) * V.Count, Wide(panel) * V.Count);
                }
            }
        }
    }

    private nint PanelSize => (nint)PanelUnits * Depth;

    private int Wide(int panel) => Math.Min(2, (Padded / V.Count) - (2 * panel));

    private float* Panel(int panel, int block) => panels.Start + ((((nint)panel * Blocks) + block) * PanelSize);

    internal override void Multiply(in PackedOperands at, int firstBlock, int endBlock, int firstPanel, int endPanel)
    {
        if (at.Rows == 1) MultiplyOne(at, firstBlock, endBlock, firstPanel, endPanel);
        else MultiplyMany(at, firstBlock, endBlock, firstPanel, endPanel);
        GC.KeepAlive(panels); // its finaliser frees what the loops read
    }

    private void MultiplyMany(in PackedOperands at, int firstBlock, int endBlock, int firstPanel, int endPanel)
    {
        for (nint first = 0; first < at.Rows; first += MatrixProduct.BlockRows)
        {
            var count = (int)Math.Min(MatrixProduct.BlockRows, at.Rows - first);
            for (var panel = firstPanel; panel < endPanel; panel++)
            {
                for (var block = firstBlock; block < endBlock; block++)
                {
                    nint unit = panel * PanelUnits;
                    MatrixProduct.Multiply<V, RowMajor>(
                        count, Wide(panel), at.X + (first * at.RowX), at.RowX, Panel(panel, block), Wide(panel) * V.Count, Depth,
                        at.Y + (block * at.BlockY) + (first * at.RowY) + unit, at.RowY, V.Count,
                        at.Start + (block * at.BlockStart) + (first * at.RowStart) + unit, at.RowStart);
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
                if (Wide(panel) < 2)
                {
                    MatrixTile.Multiply<V, Count1, Count1, RowMajor>(
                        at.X, at.RowX, from[waiting], V.Count, Depth, to[waiting], at.RowY, V.Count, start[waiting], at.RowStart);
                    continue;
                }

                if (++waiting < most) continue;
                RowProduct.Multiply<V>(at.X, Depth, from, start, to);
                waiting = 0;
            }
        }

        for (var i = 0; i < waiting; i++)
            MatrixTile.Multiply<V, Count1, Count2, RowMajor>(at.X, at.RowX, from[i], 2 * V.Count, Depth, to[i], at.RowY, V.Count, start[i], at.RowStart);
    }
}
