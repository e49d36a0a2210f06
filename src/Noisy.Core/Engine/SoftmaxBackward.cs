using System.Runtime.CompilerServices;

namespace Noisy.Core;

internal sealed unsafe partial class SoftmaxKernel<V>
{
    // Floats of gradients in logits that stay in a second-level cache while they meet all inputs.
    private const int GroupFloats = 64_000;

    internal override void Backward(SoftmaxTape tape, SoftmaxInputs x, float scale, SoftmaxGradients grad, int threads)
    {
        // One column more than there are units: its entries are 1, and its product is the gradient in the bias.
        var weights = grad.Weight.At != null || grad.Bias.At != null;
        var panels = (x.Units + 1 + Width - 1) / Width;
        var packed = weights ? (long)panels * Width * x.Rows : 0;
        var own = tape.Stride + (tape.LongestChunk * Width);
        var work = BufferPool.Rent(packed + ((long)threads * own));
        var chunks = new TaskQueue(weights ? tape.Chunks.Length : 0);
        ThreadTeam.Shared.Run(threads, member =>
        {
            EngineProfile.Start(member);
            if (weights) PackInputs(x, work.Start, panels, member);
            if (grad.Hidden != null) GradHidden(tape, x, scale, grad.Hidden, member);
            member.Barrier();
            EngineProfile.Mark(member, EngineStage.SoftmaxGradInput);
            while (chunks.Take(out var chunk)) GradWeight(tape, x, scale, grad, chunk, work.Start, panels, work.Start + packed + (member.Index * own));
            EngineProfile.Mark(member, EngineStage.SoftmaxGradWeights);
        });
        BufferPool.Return(work);
    }

    /// <summary>Inputs as panels, k being the row; behind the last unit a column of ones.</summary>
    private static void PackInputs(SoftmaxInputs x, float* packed, int panels, TeamMember member)
    {
        var (first, end) = member.Share(x.Rows);
        var whole = x.Units / Width;
        var width = Wide(x.Units + 1 - ((long)(panels - 1) * Width)) * V.Count;
        for (nint row = first; row < end; row++)
        {
            var from = x.Hidden + (row * x.Units);
            for (nint panel = 0; panel < whole; panel++)
            {
                var to = packed + (((panel * x.Rows) + row) * Width);
                for (nuint i = 0; i < (nuint)Width; i += (nuint)V.Count, from += V.Count) V.Load(in *from, 0).Store(ref *to, i);
            }

            var rest = packed + (((nint)(panels - 1) * Width * x.Rows) + (row * width));
            for (var i = 0; i < width; i++) rest[i] = (whole * Width) + i < x.Units ? from[i] : (whole * Width) + i == x.Units ? 1 : 0;
        }
    }

    /// <summary>Gradient in the inputs; a member has rows, some at a time, so that each line of memory is used whole.</summary>
    private static void GradHidden(SoftmaxTape tape, SoftmaxInputs x, float scale, float* grad, TeamMember member)
    {
        const int block = 16;
        nint stride = tape.Stride;
        var line = stackalloc float[block];
        var (first, end) = member.Share((x.Rows + block - 1) / block);
        for (nint row = first * block; row < Math.Min(x.Rows, end * block); row += block)
        {
            var rows = Math.Min(block, x.Rows - row);
            for (nint unit = 0; unit < x.Units; unit++)
            {
                for (nint lane = 0; lane < block; lane += V.Count)
                {
                    V sum = 0f;
                    for (var group = 0; group < tape.Groups; group++)
                        sum = V.MultiplyAdd(V.Load(in *(tape.SumsOf(group) + (unit * stride) + row + lane), 0), V.Load(in *(tape.GroupFactors + (group * stride) + row + lane), 0), sum);
                    (sum * V.Load(in *(tape.Inverse + row + lane), 0)).Store(ref *line, (nuint)lane);
                }

                for (nint r = 0; r < rows; r++) grad[((row + r) * x.Units) + unit] = scale * line[r];
            }

            for (var r = row; r < row + rows; r++)
            {
                var to = new Span<float>(grad + (r * x.Units), x.Units);
                if (tape.Targets[r] < 0)
                {
                    to.Clear();
                    continue;
                }

                var weight = x.Weight + ((nint)tape.Targets[r] * x.Units);
                for (var i = 0; i < to.Length; i++) to[i] -= scale * weight[i];
            }
        }
    }

    /// <summary>Gradient in the weights and biases of a chunk of classes.</summary>
    private static void GradWeight(
        SoftmaxTape tape, SoftmaxInputs x, float scale, SoftmaxGradients grad, int chunk, float* packed, int panels, float* own)
    {
        nint stride = tape.Stride;
        var factors = own;
        var edge = own + stride;
        for (nint row = 0; row < x.Rows; row += V.Count)
        {
            var at = tape.ChunkTops + (chunk * stride) + row;
            var (share, _) = Elementary.Exp(V.Load(in *at, 0) - V.Load(in *(tape.Tops + row), 0));
            (share * V.Load(in *(tape.Inverse + row), 0) * scale).Store(ref *factors, (nuint)row);
        }

        var (first, all) = tape.Chunks[chunk];
        var most = Math.Max(MatrixTile.MaxRows, GroupFloats / tape.Stride / MatrixTile.MaxRows * MatrixTile.MaxRows);
        for (var v = first; v < first + all; v += most)
        {
            var count = Math.Min(most, first + all - v);
            var logits = tape.Exponentials + (v * stride);
            Differentiate(x.Rows, count, logits, stride, factors);
            for (var row = 0; row < x.Rows; row++)
            {
                var target = tape.Targets[row] - v;
                if ((uint)target < (uint)count) logits[(target * stride) + row] -= scale;
            }

            for (var panel = 0; panel < panels; panel++)
            {
                var column = panel * Width;
                var wide = Wide(x.Units + 1 - column);
                var inputs = packed + ((nint)panel * Width * x.Rows);
                if (column + Width <= x.Units && grad.Weight.At != null)
                {
                    var to = grad.Weight.At + ((nint)v * x.Units) + column;
                    MatrixProduct.MultiplyMany<V, RowMajor>(count, MostWide, logits, stride, inputs, Width, x.Rows, to, x.Units, V.Count, grad.Weight.Add ? to : null, x.Units);
                    continue;
                }

                MatrixProduct.MultiplyMany<V, RowMajor>(count, wide, logits, stride, inputs, wide * V.Count, x.Rows, edge, Width, V.Count, null, 0);
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
