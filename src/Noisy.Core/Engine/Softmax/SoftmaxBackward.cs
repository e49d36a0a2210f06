using System.Runtime.CompilerServices;

namespace Noisy.Core;

internal sealed unsafe partial class SoftmaxKernel<V>
{
    // Floats of gradients in logits that stay in a second-level cache while they meet all inputs.
    private const int GroupFloats = 64_000;

    internal override void Backward(SoftmaxTape tape, SoftmaxInputs x, float gradientScale, SoftmaxGradients grad, int threads)
    {
        if (tape.Count == 0)
        {
            Clear(x, grad);
            return;
        }

        // One column more than there are units: its entries are 1, and its product is the gradient in the bias.
        var weights = grad.Weight.At != null || grad.Bias.At != null;
        var panels = (x.Units + 1 + Width - 1) / Width;
        var packed = weights ? (long)panels * Width * tape.Count : 0;
        var own = tape.Stride + (tape.LongestChunk * Width);
        var work = BufferPool.Rent(packed + ((long)threads * own));
        var chunks = new TaskQueue(weights ? tape.Chunks.Length : 0);
        ThreadTeam.Shared.Run(threads, member =>
        {
            EngineProfile.Start(member);
            if (weights) PackInputs(tape, x, work.Start, panels, member);
            if (grad.Hidden != null)
            {
                GradHidden(tape, x, gradientScale, grad.Hidden, member);
                ClearOthers(tape, x, grad.Hidden, member);
            }

            member.Barrier();
            EngineProfile.Mark(member, EngineStage.SoftmaxGradInput);
            while (chunks.Take(out var chunk)) GradWeight(tape, x, gradientScale, grad, chunk, work.Start, panels, work.Start + packed + ((nint)member.Index * own));
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

    /// <summary>Inputs as panels, k being the row; behind the last unit a column of ones.</summary>
    private static void PackInputs(SoftmaxTape tape, SoftmaxInputs x, float* packed, int panels, TeamMember member)
    {
        var (first, end) = member.Share(tape.Count);
        var whole = x.Units / Width;
        var width = Wide(x.Units + 1 - ((long)(panels - 1) * Width)) * V.Count;
        for (nint row = first; row < end; row++)
        {
            var from = x.Hidden + ((nint)tape.Kept[row] * x.Units);
            for (nint panel = 0; panel < whole; panel++)
            {
                var to = packed + (((panel * tape.Count) + row) * Width);
                for (nuint i = 0; i < (nuint)Width; i += (nuint)V.Count, from += V.Count) V.Load(in *from, 0).Store(ref *to, i);
            }

            var rest = packed + (((nint)(panels - 1) * Width * tape.Count) + (row * width));
            for (var i = 0; i < width; i++) rest[i] = (whole * Width) + i < x.Units ? from[i] : (whole * Width) + i == x.Units ? 1 : 0;
        }
    }

    /// <summary>Gradient in the inputs that count; a member has rows, some at a time, so that each line of memory is used whole.</summary>
    private static void GradHidden(SoftmaxTape tape, SoftmaxInputs x, float gradientScale, float* grad, TeamMember member)
    {
        const int block = 16;
        nint stride = tape.Stride;
        var line = stackalloc float[block];
        var (first, end) = member.Share((tape.Count + block - 1) / block);
        for (nint row = first * block; row < Math.Min(tape.Count, end * block); row += block)
        {
            var rows = Math.Min(block, tape.Count - row);
            for (nint unit = 0; unit < x.Units; unit++)
            {
                for (nint lane = 0; lane < block; lane += V.Count)
                {
                    V sum = 0f;
                    for (var group = 0; group < tape.Groups; group++)
                    {
                        var at = tape.SumsOf(group) + (unit * stride) + row + lane;
                        sum = V.MultiplyAdd(V.Load(in *at, 0), V.Load(in *(tape.GroupFactors + (group * stride) + row + lane), 0), sum);
                    }

                    (sum * V.Load(in *(tape.Inverse + row + lane), 0)).Store(ref *line, (nuint)lane);
                }

                for (nint r = 0; r < rows; r++) grad[((nint)tape.Kept[row + r] * x.Units) + unit] = gradientScale * line[r];
            }

            for (var r = row; r < row + rows; r++)
            {
                var to = new Span<float>(grad + ((nint)tape.Kept[r] * x.Units), x.Units);
                var weight = x.Weight + ((nint)tape.Targets[r] * x.Units);
                for (var i = 0; i < to.Length; i++) to[i] -= gradientScale * weight[i];
            }
        }
    }

    /// <summary>Zeros in the gradient of the inputs that do not count.</summary>
    private static void ClearOthers(SoftmaxTape tape, SoftmaxInputs x, float* grad, TeamMember member)
    {
        if (tape.Count == x.Rows) return;
        var (row, end) = member.Share(x.Rows);
        for (var next = Array.BinarySearch(tape.Kept, row) is var found && found >= 0 ? found : ~found; row < end; row++)
        {
            if (next < tape.Count && tape.Kept[next] == row) next++;
            else new Span<float>(grad + ((nint)row * x.Units), x.Units).Clear();
        }
    }

    /// <summary>Gradient in the weights and biases of a chunk of classes.</summary>
    private static void GradWeight(
        SoftmaxTape tape, SoftmaxInputs x, float gradientScale, SoftmaxGradients grad, int chunk, float* packed, int panels, float* own)
    {
        nint stride = tape.Stride;
        var factors = own;
        var edge = own + stride;
        for (nint row = 0; row < tape.Count; row += V.Count)
        {
            var at = tape.ChunkTops + (chunk * stride) + row;
            var share = Elementary.Exp(V.Load(in *at, 0) - V.Load(in *(tape.Tops + row), 0)).Value;
            (share * V.Load(in *(tape.Inverse + row), 0) * gradientScale).Store(ref *factors, (nuint)row);
        }

        var (first, all) = tape.Chunks[chunk];
        var most = Math.Max(MatrixTile.MaxRows, GroupFloats / tape.Stride / MatrixTile.MaxRows * MatrixTile.MaxRows);
        for (var v = first; v < first + all; v += most)
        {
            var count = Math.Min(most, first + all - v);
            var logits = tape.Exponentials + (v * stride);
            Differentiate(tape.Count, count, logits, stride, factors);
            for (var row = 0; row < tape.Count; row++)
            {
                var target = tape.Targets[row] - v;
                if ((uint)target < (uint)count) logits[(target * stride) + row] -= gradientScale;
            }

            for (var panel = 0; panel < panels; panel++)
            {
                var column = panel * Width;
                var wide = Wide(x.Units + 1 - column);
                var inputs = packed + ((nint)panel * Width * tape.Count);
                if (column + Width <= x.Units && grad.Weight.At != null)
                {
                    var to = grad.Weight.At + ((nint)v * x.Units) + column;
                    MatrixProduct.MultiplyMany<V, RowMajor>(count, MostWide, logits, stride, inputs, Width, tape.Count, to, x.Units, V.Count, grad.Weight.Add ? to : null, x.Units);
                    continue;
                }

                MatrixProduct.MultiplyMany<V, RowMajor>(count, wide, logits, stride, inputs, wide * V.Count, tape.Count, edge, Width, V.Count, null, 0);
                for (var r = 0; r < count; r++) Scatter(x, grad, v + r, column, edge + ((nint)r * Width));
            }
        }
    }

    /// <summary>From exponentials to scaled probabilities, in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Differentiate(int rows, int count, float* exponentials, nint stride, float* factors)
    {
        for (var r = 0; r < count; r++, exponentials += stride)
        {
            for (nuint row = 0; row < (nuint)rows; row += (nuint)V.Count)
                (V.Load(in *exponentials, row) * V.Load(in *factors, row)).Store(ref *exponentials, row);
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
}
