using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>A linear map whose weights are packed once for many calls, y = start + W x, and its gradients in x and in the weights.</summary>
/// <remarks>An element's sum takes pieces of the depth one after the other, each a chain of fused multiply-adds, and the start last. For the gradient in
/// the weights the depth is the number of rows, and what is added to comes first. The bits are the same for every number of threads and vector
/// width, and those of a row for every number of rows.</remarks>
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

    /// <summary>Σ over the rows of gradY xᵀ, and of gradY.</summary>
    /// <param name="gradY">[rows, outputs].</param>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="rows">Rows, ≥ 1.</param>
    /// <param name="outputs">Length of y.</param>
    /// <param name="inputs">Length of x.</param>
    /// <param name="gradWeight">Where the gradient in the weights goes, [outputs, inputs].</param>
    /// <param name="gradBias">Likewise that in a bias, [outputs].</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal abstract void GradWeight(
        float* gradY, float* x, int rows, int outputs, int inputs, GradientTarget gradWeight, GradientTarget gradBias, int threads);
}

/// <summary>The kernel compiled for one vector width.</summary>
internal sealed unsafe class LinearKernel<V> : LinearKernel
    where V : struct, ILanes<V>
{
    private const int Most = 3;

    // Rows of a task, of which a panel has one or more; and outputs of a task of the gradient in the weights.
    private const int TaskRows = 32, TaskOutputs = 5 * MatrixTile.MaxRowsOfThree;

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

    internal override void GradWeight(
        float* gradY, float* x, int rows, int outputs, int inputs, GradientTarget gradWeight, GradientTarget gradBias, int threads)
    {
        if (gradWeight.At == null && gradBias.At == null) return;
        nint panelSize = (nint)Width * rows;
        var packed = BufferPool.Rent(gradWeight.At == null ? 0 : Count(inputs) * (long)panelSize);
        var tasks = new TaskQueue((outputs + TaskOutputs - 1) / TaskOutputs);
        ThreadTeam.Shared.Run(threads, member =>
        {
            if (gradWeight.At != null)
            {
                var (first, end) = member.Share(rows);
                Panels.PackRows<V>(Most, x, inputs, first, end, inputs, packed.Start, panelSize);
                member.Barrier();
            }

            var edge = stackalloc float[TaskOutputs * Most * Padding.Lanes];
            while (tasks.Take(out var task))
            {
                var output = task * TaskOutputs;
                var count = Math.Min(TaskOutputs, outputs - output);
                if (gradBias.At != null) Sum(gradY + output, outputs, rows, count, gradBias.From(output));
                for (var panel = 0; panel < Count(inputs) && gradWeight.At != null; panel++)
                {
                    var column = panel * Width;
                    var there = Math.Min(Width, inputs - column);
                    var wide = Panels.Wide<V>(Most, there);
                    var target = gradWeight.At + ((nint)output * inputs) + column;
                    var whole = there == wide * V.Count;
                    if (!whole && gradWeight.Add) Panels.CopyRows(target, inputs, count, there, edge, Width);
                    var to = whole ? target : edge;
                    nint rowTo = whole ? inputs : Width;
                    MatrixProduct.MultiplyMany<V, InterleavedRows>(
                        count, wide, gradY + output, outputs, packed.Start + (panel * panelSize), wide * V.Count, rows,
                        to, rowTo, V.Count, gradWeight.Add ? to : null, rowTo);
                    if (!whole) Panels.CopyRows(edge, Width, count, there, target, inputs);
                }
            }
        });
        BufferPool.Return(packed);
    }

    private static int Count(int columns) => (columns + Width - 1) / Width;

    /// <summary>Adds up some columns over the rows, in the pieces of a product: a chain over many rows would lose digits.</summary>
    private static void Sum(float* from, nint stride, int rows, int columns, GradientTarget to)
    {
        var i = 0;
        var sums = stackalloc float[Padding.Lanes];
        for (; i <= columns - V.Count; i += V.Count)
        {
            OfColumns<V>(from + i, stride, rows).Store(ref *sums, 0);
            for (var lane = 0; lane < V.Count; lane++) to.Put(i + lane, sums[lane]);
        }

        for (; i < columns; i++)
        {
            OfColumns<Lanes1>(from + i, stride, rows).Store(ref *sums, 0);
            to.Put(i, *sums);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static TLanes OfColumns<TLanes>(float* from, nint stride, nint rows)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes all = 0f;
        var pieces = MatrixProduct.Pieces(rows);
        for (nint piece = 0; piece < pieces; piece++)
        {
            TLanes sum = 0f;
            for (var r = MatrixProduct.PieceStart(rows, piece, pieces); r < MatrixProduct.PieceStart(rows, piece + 1, pieces); r++)
                sum += TLanes.Load(in *(from + (r * stride)), 0);
            all = piece == 0 ? sum : all + sum;
        }

        return all;
    }

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
                nint column = task / blocks * Width, row = MatrixProduct.FirstRow(rows, task % blocks, blocks);
                var count = MatrixProduct.FirstRow(rows, (task % blocks) + 1, blocks) - (int)row;
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
