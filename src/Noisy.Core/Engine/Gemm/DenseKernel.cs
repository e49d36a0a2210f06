namespace Noisy.Core;

/// <summary>A linear layer over many rows, y = x Wᵀ + b, forward and backward; matrices row-major, with torch's shapes.</summary>
/// <remarks>
/// The forward product is made as [O, R], so that weights are read in their own layout and the rows of x are what is packed, as in
/// <see cref="SoftmaxKernel"/>. Precision: single; each element is one chain of fused multiply-adds, cut at places that depend on the sizes
/// alone. The same bits for every number of threads and every vector width.
/// </remarks>
internal abstract unsafe class DenseKernel
{
    /// <summary>The kernel of a vector width.</summary>
    internal static DenseKernel Create(VectorWidth width) => VectorWidths.Resolve(width) switch
    {
        VectorWidth.Bits512 => new DenseKernel<Lanes16>(),
        VectorWidth.Bits256 => new DenseKernel<Lanes8>(),
        VectorWidth.Bits128 => new DenseKernel<Lanes4>(),
        _ => new DenseKernel<Lanes1>(),
    };

    /// <summary>y = x Wᵀ + b.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="x">[R, I].</param>
    /// <param name="weight">[O, I].</param>
    /// <param name="bias">[O]; null for zeros.</param>
    /// <param name="y">Receives [R, O].</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal abstract void Forward(DenseDimensions size, float* x, float* weight, float* bias, float* y, int threads);

    /// <summary>The gradients.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="x">[R, I]; read for the gradient in the weights.</param>
    /// <param name="weight">[O, I]; read for the gradient in x.</param>
    /// <param name="upstream">Gradient in y, [R, O].</param>
    /// <param name="gradX">Receives that in x, [R, I]; null if not wanted.</param>
    /// <param name="gradWeight">Where that in the weights goes.</param>
    /// <param name="gradBias">Where that in the bias goes.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal abstract void Backward(
        DenseDimensions size, float* x, float* weight, float* upstream, float* gradX, GradientTarget gradWeight, GradientTarget gradBias, int threads);
}

/// <summary>Sizes of a linear layer.</summary>
/// <param name="Rows">Rows R, ≥ 1.</param>
/// <param name="Inputs">Numbers of a row, I, ≥ 1.</param>
/// <param name="Outputs">Numbers of a row of the result, O, ≥ 1.</param>
internal readonly record struct DenseDimensions(int Rows, int Inputs, int Outputs);

/// <summary>The kernel compiled for one vector width.</summary>
internal sealed unsafe class DenseKernel<V> : DenseKernel
    where V : struct, ILanes<V>
{
    // Vectors of a panel; outputs that pass a panel of rows before the next ones come.
    private const int Most = 3, Chunk = MatrixProduct.BlockRows;

    private static int Width => Most * V.Count;

    internal override void Forward(DenseDimensions size, float* x, float* weight, float* bias, float* y, int threads)
    {
        var (panels, chunks) = (Count(size.Rows, Width), Count(size.Outputs, Chunk));
        var panelSize = (nint)Width * size.Inputs;
        var work = BufferPool.Rent((panels * (long)panelSize) + ((long)threads * Chunk * Width));
        ThreadTeam.Shared.Run(threads, member =>
        {
            var (first, end) = member.Share(panels);
            for (var panel = first; panel < end; panel++)
            {
                var row = panel * Width;
                var columns = Panels.Wide<V>(Most, size.Rows - row) * V.Count;
                Panels.PackColumns(
                    x + ((nint)row * size.Inputs), size.Inputs, Math.Min(columns, size.Rows - row), size.Inputs, work.Start + (panel * panelSize), columns, columns);
            }

            member.Barrier();
            var product = work.Start + (panels * panelSize) + (member.Index * Chunk * Width);
            (first, end) = member.Share(chunks);
            for (var chunk = first; chunk < end; chunk++)
            {
                var output = chunk * Chunk;
                var outputs = Math.Min(Chunk, size.Outputs - output);
                for (var panel = 0; panel < panels; panel++)
                {
                    var row = panel * Width;
                    var wide = Panels.Wide<V>(Most, size.Rows - row);
                    MatrixProduct.MultiplyMany<V, RowMajor>(
                        outputs, wide, weight + ((nint)output * size.Inputs), size.Inputs, work.Start + (panel * panelSize), wide * V.Count, size.Inputs,
                        product, Width, V.Count, null, 0);
                    Turn(product, outputs, Math.Min(Width, size.Rows - row), bias == null ? null : bias + output, y + ((nint)row * size.Outputs) + output, size.Outputs);
                }
            }
        });
        BufferPool.Return(work);
    }

    internal override void Backward(
        DenseDimensions size, float* x, float* weight, float* upstream, float* gradX, GradientTarget gradWeight, GradientTarget gradBias, int threads)
    {
        const int tile = MatrixTile.MaxRowsOfThree;
        var weights = gradWeight.At != null || gradBias.At != null;
        var (panels, tiles) = (Count(size.Inputs, Width), weights ? Count(size.Outputs, tile) : 0);
        nint tileSize = ((nint)size.Rows * tile) + Padding.Lanes, valuePanel = (nint)Width * size.Rows;
        long interleaved = tiles * ((long)tileSize + Padding.Lanes), values = weights ? panels * (long)valuePanel : 0;
        var own = ((long)Width * size.Outputs) + (Chunk * Width);
        var work = BufferPool.Rent(interleaved + values + (threads * own));
        float* sums = work.Start + (tiles * tileSize), packed = work.Start + interleaved, room = packed + values;
        ThreadTeam.Shared.Run(threads, member =>
        {
            var panel = room + (member.Index * own);
            var edge = panel + ((nint)Width * size.Outputs);
            if (gradX != null) GradInput(size, weight, upstream, gradX, panel, edge, member);
            if (!weights) return;
            var (first, end) = member.Share(tiles);
            if (end > first)
            {
                // The last rows are read float by float: whole vectors of them would end beyond the matrix.
                Panels.Interleave<V>(
                    upstream + (first * tile), size.Outputs, size.Rows, Math.Max(0, size.Rows - Count(Padding.Lanes, size.Outputs)), Math.Min(end * tile, size.Outputs) - (first * tile),
                    work.Start + (first * tileSize), tileSize, sums + (first * Padding.Lanes));
            }

            for (var output = first * tile; output < Math.Min(end * tile, size.Outputs); output++) gradBias.Put(output, sums[(output / tile * Padding.Lanes) + (output % tile)]);
            if (gradWeight.At == null) return;
            var (row, last) = member.Share(size.Rows);
            Panels.PackRows<V>(Most, x, size.Inputs, row, last, size.Inputs, packed, valuePanel);
            member.Barrier();
            GradWeight(size, work.Start, tileSize, packed, valuePanel, gradWeight, edge, first, end);
        });
        BufferPool.Return(work);
    }

    /// <summary>Gradient in x; a member has panels of its columns.</summary>
    private static void GradInput(DenseDimensions size, float* weight, float* upstream, float* gradX, float* panel, float* edge, TeamMember member)
    {
        var (first, end) = member.Share(Count(size.Inputs, Width));
        for (var number = first; number < end; number++)
        {
            var column = number * Width;
            var columns = Math.Min(Width, size.Inputs - column);
            var (whole, wide) = (columns == Width, Panels.Wide<V>(Most, columns));
            Panels.PackRows<V>(Most, weight + column, size.Inputs, 0, size.Outputs, columns, panel, 0);
            for (var row = 0; row < size.Rows; row += Chunk)
            {
                var rows = Math.Min(Chunk, size.Rows - row);
                var target = gradX + ((nint)row * size.Inputs) + column;
                MatrixProduct.MultiplyMany<V, RowMajor>(
                    rows, wide, upstream + ((nint)row * size.Outputs), size.Outputs, panel, wide * V.Count, size.Outputs,
                    whole ? target : edge, whole ? size.Inputs : Width, V.Count, null, 0);
                if (!whole) Copy(edge, rows, columns, target, size.Inputs, add: false);
            }
        }
    }

    /// <summary>Gradient in the weights of some tiles of outputs, from upstream gradients that are interleaved and rows of x in panels.</summary>
    private static void GradWeight(
        DenseDimensions size, float* interleaved, nint tileSize, float* packed, nint valuePanel, GradientTarget grad, float* edge, int first, int end)
    {
        const int tile = MatrixTile.MaxRowsOfThree, group = Chunk / tile * 2; // tiles that pass a panel before the next ones come
        for (var begin = first; begin < end; begin += group)
        {
            for (var column = 0; column < size.Inputs; column += Width)
            {
                var columns = Math.Min(Width, size.Inputs - column);
                var (whole, wide) = (columns == Width, Panels.Wide<V>(Most, columns));
                for (var number = begin; number < Math.Min(end, begin + group); number++)
                {
                    var rows = Math.Min(tile, size.Outputs - (number * tile));
                    var target = grad.At + ((nint)number * tile * size.Inputs) + column;
                    var to = whole ? target : edge;
                    nint stride = whole ? size.Inputs : Width;
                    MatrixProduct.Multiply<V, InterleavedRows>(
                        rows, wide, interleaved + (number * tileSize), rows, packed + (column / Width * valuePanel), wide * V.Count, size.Rows,
                        to, stride, V.Count, whole && grad.Add ? to : null, stride);
                    if (!whole) Copy(edge, rows, columns, target, size.Inputs, grad.Add);
                }
            }
        }
    }

    /// <summary>Turns a product [outputs, rows] into rows of y, bias added.</summary>
    private static void Turn(float* product, int outputs, int rows, float* bias, float* y, nint stride)
    {
        Panels.PackColumns(product, Width, outputs, rows, y, outputs, (int)stride);
        if (bias == null) return;
        for (nint row = 0; row < rows; row++)
        {
            var to = y + (row * stride);
            nint output = 0;
            for (; output <= outputs - V.Count; output += V.Count) (V.Load(in *(to + output), 0) + V.Load(in *(bias + output), 0)).Store(ref *(to + output), 0);
            for (; output < outputs; output++) to[output] += bias[output];
        }
    }

    private static void Copy(float* edge, int rows, int columns, float* target, nint stride, bool add)
    {
        for (var r = 0; r < rows; r++, edge += Width, target += stride)
        {
            for (var i = 0; i < columns; i++) target[i] = add ? target[i] + edge[i] : edge[i];
        }
    }

    private static int Count(int all, int part) => (all + part - 1) / part;
}
