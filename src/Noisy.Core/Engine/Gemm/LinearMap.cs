namespace Noisy.Core;

/// <summary>A linear map of rows, y = start + W x, with its backward pass and the gradient in W.</summary>
/// <remarks>The rows of W come in blocks of units; in y each block begins at a multiple of the widest vector. As everywhere in the
/// engine an element is one chain of fused multiply-adds, so the bits depend on no width and no number of threads.</remarks>
internal readonly unsafe struct LinearMap<V>
    where V : struct, ILanes<V>
{
    // Vectors of a panel.
    private const int Most = 3;
    private const int Lanes = Padding.Lanes;

    private readonly float* weight, panels;
    private readonly int rowLength, blocks, units, padded;

    /// <summary>Makes the map; nothing is packed yet.</summary>
    /// <param name="weight">First element of W.</param>
    /// <param name="rowLength">Floats from row to row of W, at least the depth.</param>
    /// <param name="blocks">Blocks of rows, ≥ 1.</param>
    /// <param name="units">Rows of a block, ≥ 1.</param>
    /// <param name="depth">Length of x, ≥ 1.</param>
    /// <param name="panels">Room for <see cref="Length"/> floats.</param>
    internal LinearMap(float* weight, int rowLength, int blocks, int units, int depth, float* panels)
    {
        this.weight = weight;
        this.panels = panels;
        (this.rowLength, this.blocks, this.units, padded, Depth) = (rowLength, blocks, units, Padding.RoundUp(units), depth);
    }

    /// <summary>Length of x.</summary>
    internal int Depth { get; }

    /// <summary>Length of y, padding included.</summary>
    internal int Outputs => blocks * padded;

    private static int Width => Most * V.Count;

    private int Vectors => Outputs / V.Count;

    /// <summary>Floats of the panels, whichever way they are packed.</summary>
    internal static long Length(int blocks, int units, int depth) =>
        Math.Max((long)blocks * Padding.RoundUp(units) * depth, (long)blocks * units * Count(depth) * Width);

    /// <summary>Packs W for <see cref="Forward"/>; a member has panels.</summary>
    internal void Pack(TeamMember member)
    {
        var perBlock = padded / V.Count;
        var (first, end) = member.Share((Vectors + Most - 1) / Most);
        for (var vector = Most * first; vector < Math.Min(Vectors, Most * end); vector++)
        {
            var unit = vector % perBlock * V.Count;
            var row = ((nint)(vector / perBlock) * units) + unit;
            Panels.PackColumns(
                weight + (row * rowLength), rowLength, Math.Clamp(units - unit, 0, V.Count), Depth,
                panels + ((nint)(vector / Most) * Width * Depth) + (vector % Most * V.Count), V.Count, Wide(vector / Most) * V.Count);
        }
    }

    /// <summary>y = start + W x.</summary>
    /// <param name="x">First row.</param>
    /// <param name="rowX">Floats from row to row of x.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="start">What is added to, laid out as y.</param>
    /// <param name="rowStart">Floats from row to row of start; 0 gives every row the same.</param>
    /// <param name="y">Receives [rows, outputs]; may be start.</param>
    /// <param name="rowY">Floats from row to row of y.</param>
    internal void Forward(float* x, nint rowX, int rows, float* start, nint rowStart, float* y, nint rowY)
    {
        for (var panel = 0; Most * panel < Vectors; panel++)
        {
            nint place = panel * Width;
            var wide = Wide(panel);
            MatrixProduct.Multiply<V, RowMajor>(
                rows, wide, x, rowX, panels + (place * Depth), wide * V.Count, Depth, y + place, rowY, V.Count, start + place, rowStart,
                panels + ((place + Width) * Depth));
        }
    }

    /// <summary>Packs W for <see cref="Back"/>; a member has rows.</summary>
    internal void PackBack(TeamMember member)
    {
        var (first, end) = member.Share(blocks * units);
        Panels.PackRows<V>(Most, weight, rowLength, first, end, Depth, panels, BackPanel);
    }

    /// <summary>Gradient in x: start + Wᵀ gradY.</summary>
    /// <param name="gradY">First row.</param>
    /// <param name="rowY">Floats from row to row of it.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="start">What is added to, laid out as gradX; null for nothing.</param>
    /// <param name="gradX">Receives rows of whole vectors; may be start.</param>
    /// <param name="rowX">Floats from row to row of it, a multiple of the widest vector.</param>
    internal void Back(float* gradY, nint rowY, int rows, float* start, float* gradX, nint rowX)
    {
        for (var panel = 0; panel < Count(Depth); panel++)
        {
            var column = panel * Width;
            var wide = Panels.Wide<V>(Most, Depth - column);
            var from = start == null ? null : start + column;
            var to = gradX + column;
            var weights = panels + (panel * BackPanel);
            for (var block = 0; block < blocks; block++, from = to)
            {
                var next = block + 1 < blocks ? weights + ((nint)units * wide * V.Count) : panels + ((panel + 1) * BackPanel);
                MatrixProduct.Multiply<V, RowMajor>(
                    rows, wide, gradY + (block * padded), rowY, weights, wide * V.Count, units, to, rowX, V.Count, from, rowX, next);
                weights = next;
            }
        }
    }

    /// <summary>Gradient in W, Σ over the rows of gradY xᵀ; a member has tiles of the rows of W.</summary>
    /// <param name="gradY">First row.</param>
    /// <param name="rowY">Floats from row to row of it.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="x">First row of x; whole vectors are read, up to 15 floats beyond a row.</param>
    /// <param name="rowX">Floats from row to row of x.</param>
    /// <param name="grad">Where it goes; rows as long as those of W.</param>
    /// <param name="edge">Scratch: <see cref="EdgeLength"/> floats.</param>
    /// <param name="member">Who works.</param>
    internal void GradWeight(float* gradY, nint rowY, int rows, float* x, nint rowX, GradientTarget grad, float* edge, TeamMember member)
    {
        if (grad.At == null) return;
        const int most = MatrixTile.MaxRowsOfThree;
        var tiles = (units + most - 1) / most;
        var (first, end) = member.Share(blocks * tiles);
        for (var task = first; task < end; task++)
        {
            var (block, unit) = (task / tiles, task % tiles * most);
            var count = Math.Min(most, units - unit);
            for (var column = 0; column < Depth; column += Width)
            {
                var there = Math.Min(Width, Depth - column);
                var target = grad.At + ((((nint)block * units) + unit) * rowLength) + column;
                var whole = there == Width;
                if (!whole && grad.Add) Panels.CopyRows(target, rowLength, count, there, edge, Width);
                var to = whole ? target : edge;
                nint rowTo = whole ? rowLength : Width;
                MatrixProduct.MultiplyMany<V, InterleavedRows>(
                    count, Panels.Wide<V>(Most, there), gradY + (block * padded) + unit, rowY, x + column, rowX, rows,
                    to, rowTo, V.Count, grad.Add ? to : null, rowTo);
                if (!whole) Panels.CopyRows(edge, Width, count, there, target, rowLength);
            }
        }
    }

    /// <summary>Floats of the scratch.</summary>
    internal const int EdgeLength = MatrixTile.MaxRowsOfThree * Most * Lanes;

    /// <summary>Gradient in a bias of the map, the sum of gradY over its rows; a member has vectors of it.</summary>
    internal void GradBias(float* gradY, nint rowY, int rows, GradientTarget grad, TeamMember member)
    {
        if (grad.At == null) return;
        var sums = stackalloc float[Lanes];
        var perBlock = padded / V.Count;
        var (first, end) = member.Share(Vectors);
        for (var vector = first; vector < end; vector++)
        {
            var (block, unit) = (vector / perBlock, vector % perBlock * V.Count);
            V sum = 0f;
            for (nint r = 0; r < rows; r++) sum += V.Load(in *(gradY + (r * rowY) + ((nint)vector * V.Count)), 0);
            sum.Store(ref *sums, 0);
            for (var i = 0; i < Math.Min(V.Count, units - unit); i++) grad.Put((block * units) + unit + i, sums[i]);
        }
    }

    /// <summary>Panels that so many columns need.</summary>
    private static int Count(int columns) => (columns + Width - 1) / Width;

    /// <summary>Vectors of a panel of <see cref="Pack"/>.</summary>
    private int Wide(int panel) => Math.Min(Most, Vectors - (Most * panel));

    private nint BackPanel => (nint)blocks * units * Width;
}
