namespace Noisy.Core;

/// <summary>A linear map of few rows at a time whose weights are packed once for many calls, y = start + W x, and its gradient in x.</summary>
/// <remarks>An element's sum takes pieces of the depth one after the other, each a chain of fused multiply-adds, and the start last: the same
/// bits for every number of rows, number of threads and vector width.</remarks>
internal abstract unsafe class LinearKernel
{
    /// <summary>The kernel of a vector width.</summary>
    internal static LinearKernel Create(VectorWidth width) => VectorWidths.Resolve(width) switch
    {
        VectorWidth.Bits512 => new LinearKernel<Lanes16>(),
        VectorWidth.Bits256 => new LinearKernel<Lanes8>(),
        VectorWidth.Bits128 => new LinearKernel<Lanes4>(),
        _ => new LinearKernel<Lanes1>(),
    };

    /// <summary>Packs W for <see cref="Forward"/>, and for <see cref="Back"/>.</summary>
    /// <param name="weight">First element of W.</param>
    /// <param name="stride">Floats from row to row of W, at least the inputs.</param>
    /// <param name="outputs">Length of y, ≥ 1.</param>
    /// <param name="inputs">Length of x, ≥ 1.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    /// <returns>To be given back to the <see cref="BufferPool"/>.</returns>
    internal abstract NativeBuffer Pack(float* weight, int stride, int outputs, int inputs, int threads);

    /// <inheritdoc cref="Pack"/>
    internal abstract NativeBuffer PackBack(float* weight, int stride, int outputs, int inputs, int threads);

    /// <summary>y = start + W x for each row.</summary>
    /// <param name="packed">What <see cref="Pack"/> gave.</param>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="rows">Rows, ≥ 1.</param>
    /// <param name="outputs">Length of y.</param>
    /// <param name="inputs">Length of x.</param>
    /// <param name="start">What is added to; null for nothing.</param>
    /// <param name="rowStart">Floats from row to row of start; 0 gives every row the same.</param>
    /// <param name="y">Receives [rows, outputs].</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal abstract void Forward(float* packed, float* x, int rows, int outputs, int inputs, float* start, int rowStart, float* y, int threads);

    /// <summary>Wᵀ gradY for each row.</summary>
    /// <param name="packed">What <see cref="PackBack"/> gave.</param>
    /// <param name="gradY">[rows, outputs].</param>
    /// <param name="rows">Rows, ≥ 1.</param>
    /// <param name="outputs">Length of y.</param>
    /// <param name="inputs">Length of x.</param>
    /// <param name="gradX">Receives [rows, inputs].</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal abstract void Back(float* packed, float* gradY, int rows, int outputs, int inputs, float* gradX, int threads);
}

/// <summary>The kernel compiled for one vector width.</summary>
internal sealed unsafe class LinearKernel<V> : LinearKernel
    where V : struct, ILanes<V>
{
    private const int Most = 3;

    // Rows of a task, of which a panel has one or more.
    private const int TaskRows = 32;

    private static int Width => Most * V.Count;

    internal override NativeBuffer Pack(float* weight, int stride, int outputs, int inputs, int threads)
    {
        var panels = Count(outputs);
        var packed = BufferPool.Rent((long)panels * Width * inputs);
        ThreadTeam.Shared.Run(threads, member =>
        {
            var (first, end) = member.Share(panels);
            for (nint panel = first; panel < end; panel++)
            {
                var output = panel * Width;
                var columns = Panels.Wide<V>(Most, outputs - output) * V.Count;
                Panels.PackColumns(
                    weight + (output * stride), stride, (int)Math.Min(columns, outputs - output), inputs, packed.Start + (output * inputs), columns, columns);
            }
        });
        return packed;
    }

    internal override NativeBuffer PackBack(float* weight, int stride, int outputs, int inputs, int threads)
    {
        var packed = BufferPool.Rent((long)Count(inputs) * Width * outputs);
        ThreadTeam.Shared.Run(threads, member =>
        {
            var (first, end) = member.Share(outputs);
            Panels.PackRows<V>(Most, weight, stride, first, end, inputs, packed.Start, (nint)Width * outputs);
        });
        return packed;
    }

    internal override void Forward(float* packed, float* x, int rows, int outputs, int inputs, float* start, int rowStart, float* y, int threads) =>
        Multiply(x, rows, inputs, packed, outputs, start, rowStart, y, threads);

    internal override void Back(float* packed, float* gradY, int rows, int outputs, int inputs, float* gradX, int threads) =>
        Multiply(gradY, rows, outputs, packed, inputs, null, 0, gradX, threads);

    private static int Count(int columns) => (columns + Width - 1) / Width;

    /// <summary>C = start + A·B, with B in panels.</summary>
    private static void Multiply(float* a, int rows, int depth, float* panels, int columns, float* start, nint rowStart, float* c, int threads)
    {
        var blocks = (rows + TaskRows - 1) / TaskRows;
        var tasks = new TaskQueue(Count(columns) * blocks);
        ThreadTeam.Shared.Run(Math.Min(threads, tasks.Count), _ =>
        {
            var edge = stackalloc float[TaskRows * Most * Padding.Lanes];
            while (tasks.Take(out var task))
            {
                nint column = task / blocks * Width, row = task % blocks * TaskRows;
                var count = (int)Math.Min(TaskRows, rows - row);
                var there = (int)Math.Min(Width, columns - column);
                var wide = Panels.Wide<V>(Most, there);
                var to = c + (row * columns) + column;
                var whole = there == wide * V.Count;
                var sums = whole ? to : edge;
                nint rowSums = whole ? columns : Width;
                MatrixProduct.MultiplyMany<V, RowMajor>(
                    count, wide, a + (row * depth), depth, panels + (column * depth), wide * V.Count, depth, sums, rowSums, V.Count, null, 0);
                if (whole && start == null) continue;
                for (nint r = 0; r < count; r++) Finish(sums + (r * rowSums), start == null ? null : start + ((row + r) * rowStart) + column, to + (r * columns), there);
            }
        });
    }

    /// <summary>Adds what is started from, and moves what did not fit in whole vectors.</summary>
    private static void Finish(float* sums, float* start, float* to, int length)
    {
        var i = 0;
        for (; i <= length - V.Count; i += V.Count)
        {
            var sum = V.Load(in *sums, (nuint)i);
            (start == null ? sum : V.Load(in *start, (nuint)i) + sum).Store(ref *to, (nuint)i);
        }

        for (; i < length; i++) to[i] = start == null ? sums[i] : start[i] + sums[i];
    }
}
