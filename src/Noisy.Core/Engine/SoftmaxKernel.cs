using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>Linear layer, softmax and cross-entropy in one, forward and backward, for many classes.</summary>
/// <remarks>
/// Logits are kept as [V, rows]: then weights are read in their own layout, rows of a panel are lanes of a vector, and no sum
/// goes across lanes. Only exponentials are kept; what makes them probabilities is folded into the products of the backward
/// pass. Rows that are left out take part in nothing: the others are packed side by side, and the bits are those of a pass
/// over them alone. Precision: single; the same bits for every number of threads and every vector width.
/// </remarks>
internal abstract class SoftmaxKernel
{
    /// <summary>The kernel of a vector width.</summary>
    internal static SoftmaxKernel Create(VectorWidth width) => VectorWidths.Resolve(width) switch
    {
        VectorWidth.Bits512 => new SoftmaxKernel<Lanes16>(),
        VectorWidth.Bits256 => new SoftmaxKernel<Lanes8>(),
        VectorWidth.Bits128 => new SoftmaxKernel<Lanes4>(),
        _ => new SoftmaxKernel<Lanes1>(),
    };

    /// <summary>Losses of all rows that count.</summary>
    /// <param name="x">Layer and inputs.</param>
    /// <param name="targets">Class of each row in [0, V); negative leaves the row out.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    /// <returns>Losses, and what the backward pass needs; the caller disposes it.</returns>
    internal abstract SoftmaxTape Forward(SoftmaxInputs x, int[] targets, int threads);

    /// <summary>Gradients of scale · (sum of the losses).</summary>
    internal abstract void Backward(SoftmaxTape tape, SoftmaxInputs x, float scale, SoftmaxGradients grad, int threads);
}

/// <summary>The kernel compiled for one vector width.</summary>
internal sealed unsafe class SoftmaxKernel<V> : SoftmaxKernel
    where V : struct, ILanes<V>
{
    // Floats of weights that stay in a core's second-level cache while everything else passes by.
    private const int CacheBlock = 100_000;

    // Classes that pass through the gradient of the inputs together, and the floats of a tile of their weights.
    private const int Depth = 320, TileSize = (Depth * MatrixTile.MaxRows) + RecurrentSize.Lanes;

    private static int Width => 2 * V.Count;

    internal override SoftmaxTape Forward(SoftmaxInputs x, int[] targets, int threads)
    {
        var tape = new SoftmaxTape(x.Rows, x.Classes, V.Count, targets);
        var panels = (tape.Count + Width - 1) / Width;
        var tops = (nint)panels * Width * x.Units;
        var transposed = BufferPool.Rent(tops + ((long)threads * panels * Width));
        ThreadTeam.Shared.Run(threads, member =>
        {
            var (first, end) = member.Share(panels);
            fixed (int* kept = tape.Kept)
            {
                for (var panel = first; panel < end; panel++)
                {
                    var row = panel * Width;
                    Panels.PackColumns(
                        x.Hidden, x.Units, Math.Min(Width, tape.Count - row), x.Units, transposed.Start + ((nint)row * x.Units), Width, Width, kept + row);
                }
            }

            member.Barrier();
            EngineProfile.Start(member);
            Logits(tape, x, transposed.Start, panels, transposed.Start + tops + ((nint)member.Index * panels * Width), member);
            member.Barrier();
            EngineProfile.Mark(member, EngineStage.Logits);
            (first, end) = member.Share((tape.Count + V.Count - 1) / V.Count);
            for (var vector = first; vector < end; vector++) Normalise(tape, x, vector * V.Count, transposed.Start + tops, panels * Width, member.Count);
            EngineProfile.Mark(member, EngineStage.Softmax);
        });
        BufferPool.Return(transposed);
        return tape;
    }

    internal override void Backward(SoftmaxTape tape, SoftmaxInputs x, float scale, SoftmaxGradients grad, int threads)
    {
        if (tape.Count == 0)
        {
            Clear(x, grad);
            return;
        }

        // One column more than there are units: its entries are the rows' factors, and its product is the gradient in the bias.
        var panels = (x.Units + 1 + Width - 1) / Width;
        var group = Group(tape.Count);
        var (stride, wide) = ((tape.Count + V.Count - 1) / V.Count * V.Count, (tape.Count + Width - 1) / Width * Width);
        var tiles = (x.Units + MatrixTile.MaxRows - 1) / MatrixTile.MaxRows;
        long scaled = (long)panels * Width * tape.Count, sums = (long)x.Units * wide;
        var own = Math.Max((long)tiles * TileSize, (long)group * MatrixTile.MaxRows * (stride + Width)) + (MatrixTile.MaxRows * RecurrentSize.Lanes);
        var work = BufferPool.Rent(scaled + sums + (threads * own));
        ThreadTeam.Shared.Run(threads, member =>
        {
            var mine = work.Start + scaled + sums + (member.Index * own);
            EngineProfile.Start(member);
            if (grad.Weight.At != null || grad.Bias.At != null)
            {
                var (first, end) = member.Share(tape.Count);
                for (var r = first; r < end; r++) PackScaled(tape, x, r, scale, work.Start, panels);
            }

            if (grad.Hidden != null)
            {
                if (tape.Count < x.Rows)
                {
                    var (first, end) = member.Share(x.Rows);
                    new Span<float>(grad.Hidden + ((nint)first * x.Units), (end - first) * x.Units).Clear();
                }

                SumHidden(tape, x, work.Start + scaled, wide, mine, member);
            }

            member.Barrier();
            if (grad.Hidden != null) GradHidden(tape, x, scale, grad.Hidden, work.Start + scaled, wide, member);
            EngineProfile.Mark(member, EngineStage.SoftmaxGradInput);
            if (grad.Weight.At != null || grad.Bias.At != null) GradWeight(tape, x, scale, grad, work.Start, panels, mine, stride, group, member);
            EngineProfile.Mark(member, EngineStage.SoftmaxGradWeights);
        });
        BufferPool.Return(work);
    }

    /// <summary>Gradients where no row counts.</summary>
    private static void Clear(SoftmaxInputs x, SoftmaxGradients grad)
    {
        if (grad.Hidden != null) new Span<float>(grad.Hidden, x.Rows * x.Units).Clear();
        if (grad.Weight is { At: not null, Add: false }) new Span<float>(grad.Weight.At, x.Classes * x.Units).Clear();
        if (grad.Bias is { At: not null, Add: false }) new Span<float>(grad.Bias.At, x.Classes).Clear();
    }

    /// <summary>Classes whose weights make a cache block; whole tiles.</summary>
    private static int Chunk(int units) => Math.Max(1, CacheBlock / units / MatrixTile.MaxRows) * MatrixTile.MaxRows;

    /// <summary>Tiles of classes that pass through the gradient of the weights together.</summary>
    private static int Group(int rows) => Math.Clamp(CacheBlock / 2 / (rows * MatrixTile.MaxRows), 1, 16);

    /// <summary>Logits without their bias, and the greatest of each row among the member's classes, with it.</summary>
    private static void Logits(SoftmaxTape tape, SoftmaxInputs x, float* transposed, int panels, float* tops, TeamMember member)
    {
        new Span<float>(tops, panels * Width).Fill(float.NegativeInfinity);
        var tiles = (x.Classes + MatrixTile.MaxRows - 1) / MatrixTile.MaxRows;
        var (first, end) = member.Share(tiles);
        var (from, until) = (first * MatrixTile.MaxRows, Math.Min(x.Classes, end * MatrixTile.MaxRows));
        for (var v = from; v < until; v += Chunk(x.Units))
        {
            var count = Math.Min(Chunk(x.Units), until - v);
            for (var panel = 0; panel < panels; panel++)
            {
                var logits = tape.Exponentials + ((((nint)panel * x.Classes) + v) * Width);
                MatrixProduct.MultiplyMany<V, RowMajor>(
                    count, 2, x.Weight + ((nint)v * x.Units), x.Units, transposed + ((nint)panel * Width * x.Units), x.Units, logits, Width, V.Count, null, 0);
                Raise(x, v, count, logits, tops + ((nint)panel * Width));
            }
        }
    }

    /// <summary>Raises the greatest logits of a panel by some classes, which are still at hand.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Raise(SoftmaxInputs x, int v, int count, float* logits, float* tops)
    {
        V first = V.Load(in *tops, 0), second = V.Load(in *tops, (nuint)V.Count);
        for (var r = 0; r < count; r++, logits += Width)
        {
            V bias = Bias(x, v + r);
            var (a, b) = (V.Load(in *logits, 0) + bias, V.Load(in *logits, (nuint)V.Count) + bias);
            first = V.Select(a > first, a, first);
            second = V.Select(b > second, b, second);
        }

        first.Store(ref *tops, 0);
        second.Store(ref *tops, (nuint)V.Count);
    }

    /// <summary>From logits to exponentials and losses for one vector of rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Normalise(SoftmaxTape tape, SoftmaxInputs x, int row, float* allTops, int stride, int members)
    {
        var logits = tape.Exponentials + ((nint)(row / Width) * x.Classes * Width) + (row % Width);
        V greatest = V.Load(in *(allTops + row), 0);
        for (var member = 1; member < members; member++)
        {
            var other = V.Load(in *(allTops + ((nint)member * stride) + row), 0);
            greatest = V.Select(other > greatest, other, greatest);
        }

        var tops = stackalloc float[16];
        var sums = stackalloc float[16];
        greatest.Store(ref *tops, 0);
        var there = Math.Min(V.Count, tape.Count - row);
        for (var lane = 0; lane < there; lane++)
        {
            var target = tape.Targets[row + lane];
            var logit = logits[((nint)target * Width) + lane] + Bias(x, target);
            tape.Losses[row + lane] = (double)tops[lane] - logit;
            tape.Right[row + lane] = logit == tops[lane];
        }

        V sum = 0f;
        for (nint v = 0; v < x.Classes; v++)
        {
            var at = logits + (v * Width);
            var (exp, _) = Elementary.Exp(V.Load(in *at, 0) + Bias(x, v) - greatest);
            exp.Store(ref *at, 0);
            sum = sum + exp;
        }

        sum.Store(ref *sums, 0);
        for (var lane = 0; lane < there; lane++)
        {
            tape.Losses[row + lane] += Math.Log(sums[lane]);
            tape.Inverse[row + lane] = 1 / sums[lane];
        }
    }

    private static float Bias(SoftmaxInputs x, nint v) => x.Bias == null ? 0 : x.Bias[v];

    /// <summary>A row of inputs times its factor, with the factor itself behind it, as a row of all panels.</summary>
    private static void PackScaled(SoftmaxTape tape, SoftmaxInputs x, int row, float scale, float* packed, int panels)
    {
        var factor = scale * tape.Inverse[row];
        var from = x.Hidden + ((nint)tape.Kept[row] * x.Units);
        for (var panel = 0; panel < panels; panel++)
        {
            var to = packed + ((((nint)panel * tape.Count) + row) * Width);
            for (var i = 0; i < Width; i++)
            {
                var column = (panel * Width) + i;
                to[i] = column < x.Units ? factor * from[column] : column == x.Units ? factor : 0;
            }
        }
    }

    /// <summary>Exponentials times weights, [H, rows]; a member has tiles of units, and all classes pass by.</summary>
    private static void SumHidden(SoftmaxTape tape, SoftmaxInputs x, float* sums, int wide, float* tiles, TeamMember member)
    {
        var ignored = stackalloc float[RecurrentSize.Lanes * 128];
        var (first, end) = member.Share((x.Units + MatrixTile.MaxRows - 1) / MatrixTile.MaxRows);
        var (unit, units) = (first * MatrixTile.MaxRows, Math.Min(x.Units, end * MatrixTile.MaxRows) - (first * MatrixTile.MaxRows));
        for (var v = 0; v < x.Classes; v += Depth)
        {
            var depth = Math.Min(Depth, x.Classes - v);
            var whole = Math.Min(depth, x.Classes - v - ((RecurrentSize.Lanes + x.Units - 1) / x.Units)); // nothing is read beyond the weights
            for (var tile = first; tile < end; tile += 128)
            {
                var start = tile * MatrixTile.MaxRows;
                Panels.Interleave<V>(
                    x.Weight + ((nint)v * x.Units) + start, x.Units, depth, whole, Math.Min(128 * MatrixTile.MaxRows, unit + units - start),
                    tiles + ((nint)(tile - first) * TileSize), TileSize, ignored);
            }

            for (var row = 0; row < tape.Count; row += Width)
            {
                var panel = tape.Exponentials + ((((nint)(row / Width) * x.Classes) + v) * Width);
                for (var tile = first; tile < end; tile++)
                {
                    var count = Math.Min(MatrixTile.MaxRows, x.Units - (tile * MatrixTile.MaxRows));
                    var to = sums + ((nint)tile * MatrixTile.MaxRows * wide) + row;
                    MatrixProduct.Multiply<V, InterleavedRows>(
                        count, 2, tiles + ((nint)(tile - first) * TileSize), count, panel, depth, to, wide, V.Count, v == 0 ? null : to, wide);
                }
            }
        }
    }

    /// <summary>Gradient in the inputs that count; a member has rows, some at a time, so that each line of memory is used whole.</summary>
    private static void GradHidden(SoftmaxTape tape, SoftmaxInputs x, float scale, float* grad, float* sums, int wide, TeamMember member)
    {
        const int block = 16;
        var (first, end) = member.Share((tape.Count + block - 1) / block);
        for (var row = first * block; row < Math.Min(tape.Count, end * block); row += block)
        {
            var rows = Math.Min(block, tape.Count - row);
            for (nint unit = 0; unit < x.Units; unit++)
            {
                var from = sums + (unit * wide) + row;
                for (nint r = 0; r < rows; r++) grad[((nint)tape.Kept[row + r] * x.Units) + unit] = scale * tape.Inverse[row + r] * from[r];
            }

            for (var r = row; r < row + rows; r++)
            {
                var to = new Span<float>(grad + ((nint)tape.Kept[r] * x.Units), x.Units);
                var weight = x.Weight + ((nint)tape.Targets[r] * x.Units);
                for (var i = 0; i < to.Length; i++) to[i] -= scale * weight[i];
            }
        }
    }

    /// <summary>Gradient in weights and biases; a member has tiles of classes.</summary>
    private static void GradWeight(
        SoftmaxTape tape, SoftmaxInputs x, float scale, SoftmaxGradients grad, float* packed, int panels, float* block, int stride, int group, TeamMember member)
    {
        var edge = block + ((nint)group * MatrixTile.MaxRows * stride);
        var tiles = (x.Classes + MatrixTile.MaxRows - 1) / MatrixTile.MaxRows;
        var (first, end) = member.Share(tiles);
        var (from, until) = (first * MatrixTile.MaxRows, Math.Min(x.Classes, end * MatrixTile.MaxRows));
        var next = FirstWithTarget(tape, from);
        for (var v = from; v < until; v += group * MatrixTile.MaxRows)
        {
            var count = Math.Min(group * MatrixTile.MaxRows, until - v);
            Gather(tape, x, v, count, block, stride);
            for (var panel = 0; panel < panels; panel++)
            {
                var column = panel * Width;
                var weights = packed + ((nint)panel * Width * tape.Count);
                if (column + Width <= x.Units && grad.Weight.At != null)
                {
                    var to = grad.Weight.At + ((nint)v * x.Units) + column;
                    MatrixProduct.MultiplyMany<V, RowMajor>(count, 2, block, stride, weights, tape.Count, to, x.Units, V.Count, grad.Weight.Add ? to : null, x.Units);
                    continue;
                }

                MatrixProduct.MultiplyMany<V, RowMajor>(count, 2, block, stride, weights, tape.Count, edge, Width, V.Count, null, 0);
                for (var r = 0; r < count; r++) Scatter(x, grad, v + r, column, edge + ((nint)r * Width));
            }

            for (; next < tape.ByTarget.Length && tape.Targets[tape.ByTarget[next]] < v + count; next++)
                Subtract(tape, x, scale, grad, tape.ByTarget[next]);
        }
    }

    private static int FirstWithTarget(SoftmaxTape tape, int target)
    {
        var (low, high) = (0, tape.ByTarget.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (tape.Targets[tape.ByTarget[middle]] < target) low = middle + 1;
            else high = middle;
        }

        return low;
    }

    /// <summary>Exponentials of some classes, a class a row.</summary>
    private static void Gather(SoftmaxTape tape, SoftmaxInputs x, int v, int count, float* block, int stride)
    {
        for (var r = 0; r < count; r++)
        {
            for (var row = 0; row < tape.Count; row += V.Count)
            {
                var at = tape.Exponentials + ((((nint)(row / Width) * x.Classes) + v + r) * Width) + (row % Width);
                V.Load(in *at, 0).Store(ref *(block + ((nint)r * stride) + row), 0);
            }
        }
    }

    private static void Scatter(SoftmaxInputs x, SoftmaxGradients grad, int v, int column, float* edge)
    {
        for (var i = 0; i < Math.Min(Width, x.Units + 1 - column); i++)
        {
            var target = column + i == x.Units ? grad.Bias : grad.Weight;
            if (target.At == null) continue;
            var at = column + i == x.Units ? target.At + v : target.At + ((nint)v * x.Units) + column + i;
            *at = target.Add ? *at + edge[i] : edge[i];
        }
    }

    /// <summary>The part of the gradient that comes from a row's own class.</summary>
    private static void Subtract(SoftmaxTape tape, SoftmaxInputs x, float scale, SoftmaxGradients grad, int row)
    {
        var target = tape.Targets[row];
        if (grad.Bias.At != null) grad.Bias.At[target] -= scale;
        if (grad.Weight.At == null) return;
        var to = grad.Weight.At + ((nint)target * x.Units);
        var from = x.Hidden + ((nint)tape.Kept[row] * x.Units);
        for (var i = 0; i < x.Units; i++) to[i] -= scale * from[i];
    }
}
