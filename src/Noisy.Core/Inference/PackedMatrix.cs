namespace Noisy.Core;

/// <summary>A weight matrix laid out once for products with rows of inputs: y = start + W x.</summary>
/// <remarks>
/// The rows of W come in blocks of equal length; in y each block begins at a multiple of <see cref="Padding.Lanes"/>. Each element is
/// one chain of fused multiply-adds, as everywhere in the engine: the same bits for every vector width.
/// </remarks>
internal abstract unsafe class PackedMatrix(int depth, int outputs)
{
    /// <summary>Length of x.</summary>
    internal int Depth { get; } = depth;

    /// <summary>Length of y, padding included.</summary>
    internal int Outputs { get; } = outputs;

    /// <summary>Packs a matrix.</summary>
    /// <param name="weight">[blocks · units, depth].</param>
    /// <param name="blocks">Blocks of rows, ≥ 1.</param>
    /// <param name="width">A definite vector width.</param>
    internal static PackedMatrix Create(FloatTensor weight, int blocks, VectorWidth width)
    {
        var (units, depth) = (weight.Shape[0] / blocks, weight.Shape[1]);
        return width switch
        {
            VectorWidth.Bits512 => new PackedMatrix<Lanes16>(weight.Values, blocks, units, depth),
            VectorWidth.Bits256 => new PackedMatrix<Lanes8>(weight.Values, blocks, units, depth),
            VectorWidth.Bits128 => new PackedMatrix<Lanes4>(weight.Values, blocks, units, depth),
            _ => new PackedMatrix<Lanes1>(weight.Values, blocks, units, depth),
        };
    }

    /// <summary>y = start + W x for several rows.</summary>
    /// <param name="x">[rows, depth].</param>
    /// <param name="rows">Rows, ≥ 1.</param>
    /// <param name="start">What is added to: one row for all.</param>
    /// <param name="y">Receives [rows, outputs].</param>
    internal void Multiply(ReadOnlySpan<float> x, int rows, ReadOnlySpan<float> start, Span<float> y)
    {
        if (x.Length < rows * Depth || start.Length < Outputs || y.Length < rows * Outputs) throw new ArgumentException("a span is too short");
        fixed (float* from = x, bias = start, to = y) Multiply(from, rows, bias, to);
    }

    /// <inheritdoc cref="Multiply(ReadOnlySpan{float}, int, ReadOnlySpan{float}, Span{float})"/>
    protected abstract void Multiply(float* x, int rows, float* start, float* y);
}

/// <summary>The matrix packed for one vector width: panels of two vectors of outputs, the last perhaps of one.</summary>
// Lives as long as its model, and its memory is freed with it.
#pragma warning disable CA1001
internal sealed unsafe class PackedMatrix<V> : PackedMatrix
#pragma warning restore CA1001
    where V : struct, ILanes<V>
{
    private readonly NativeBuffer panels;

    internal PackedMatrix(float[] weight, int blocks, int units, int depth)
        : base(depth, blocks * Padding.RoundUp(units))
    {
        panels = new NativeBuffer((long)Outputs * depth);
        var perBlock = Padding.RoundUp(units) / V.Count;
        fixed (float* source = weight)
        {
            for (var vector = 0; vector < Vectors; vector++)
            {
                var unit = vector % perBlock * V.Count;
                var row = ((nint)(vector / perBlock) * units) + unit;
                Panels.PackColumns(
                    source + (row * depth), depth, Math.Clamp(units - unit, 0, V.Count), depth,
                    Panel(vector / 2) + (vector % 2 * V.Count), V.Count, Wide(vector / 2) * V.Count);
            }
        }
    }

    private int Vectors => Outputs / V.Count;

    private int Wide(int panel) => (2 * panel) + 1 < Vectors ? 2 : 1;

    private float* Panel(int panel) => panels.Start + ((nint)panel * 2 * V.Count * Depth);

    protected override void Multiply(float* x, int rows, float* start, float* y)
    {
        for (var first = 0; first < rows; first += MatrixProduct.BlockRows)
        {
            var count = Math.Min(MatrixProduct.BlockRows, rows - first);
            for (var panel = 0; 2 * panel < Vectors; panel++)
            {
                nint place = panel * 2 * V.Count;
                MatrixProduct.Multiply<V, RowMajor>(
                    count, Wide(panel), x + ((nint)first * Depth), Depth, Panel(panel), Wide(panel) * V.Count, Depth,
                    y + ((nint)first * Outputs) + place, Outputs, V.Count, start + place, 0);
            }
        }

        GC.KeepAlive(panels); // its finaliser frees what the loop reads
    }
}
