using System.Runtime.CompilerServices;

namespace Noisy.Core;

internal sealed unsafe partial class SoftmaxKernel<V>
{
    // Floats of gradients in logits that stay in a second-level cache while they meet all inputs.
    private const int GroupFloats = 90_000;

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
        var own = tape.Stride + (tape.LongestChunk * Width) + ((long)Classes(tape) * tape.Stride);
        var chunks = new TaskQueue(weights ? tape.Chunks.Length : 0);
        var workers = Math.Min(threads, chunks.Count);
        var work = BufferPool.Rent(packed + (workers * own));
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
            while (member.Index < workers && chunks.Take(out var chunk))
            {
                // The chunk that this member is likely to take next.
                var next = Math.Min(chunk + workers, tape.Chunks.Length - 1);
                GradWeight(tape, x, gradientScale, grad, chunk, next, work.Start, panels, work.Start + packed + (member.Index * own));
            }

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

    /// <summary>Gradient in the inputs that count; a member has some units of panels of rows.</summary>
    private static void GradHidden(SoftmaxTape tape, SoftmaxInputs x, float gradientScale, float* grad, TeamMember member)
    {
        const int most = 64; // units of a task
        var sums = stackalloc float[2 * most * Width];
        var turned = sums + (most * Width);
        var (panels, parts) = ((tape.Count + Width - 1) / Width, (x.Units + most - 1) / most);
        var (first, end) = member.Share(panels * parts);
        for (var task = first; task < end; task++)
        {
            nint row = task / parts * Width, unit = task % parts * most;
            var (rows, units) = ((int)Math.Min(Width, tape.Count - row), (int)Math.Min(most, x.Units - unit));
            for (var group = 0; group < tape.Groups; group++)
                AddGroup(tape.SumsOf(group, task / parts) + (unit * Width), units, tape.GroupFactors + ((nint)group * tape.Stride) + row, group == 0, sums);
            Panels.PackColumns(sums, Width, units, rows, turned, units, most);
            for (var r = 0; r < rows; r++)
            {
                var to = grad + ((nint)tape.Kept[row + r] * x.Units) + unit;
                FinishHidden(
                    turned + (r * most), tape.Inverse[row + r], x.Weight + ((nint)tape.Targets[row + r] * x.Units) + unit, gradientScale, units, to);
            }
        }
    }

    /// <summary>Adds a group's part of some units' sums, as those of probabilities.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddGroup(float* part, int units, float* factors, bool isFirst, float* sums)
    {
        V factor0 = V.Load(in *factors, 0), factor1 = V.Load(in *factors, (nuint)V.Count), factor2 = V.Load(in *factors, 2 * (nuint)V.Count);
        for (var unit = 0; unit < units; unit++, part += Width, sums += Width)
        {
            Add(0, factor0);
            Add((nuint)V.Count, factor1);
            Add(2 * (nuint)V.Count, factor2);
        }

        void Add(nuint lane, V factor) => V.MultiplyAdd(V.Load(in *part, lane), factor, isFirst ? 0f : V.Load(in *sums, lane)).Store(ref *sums, lane);
    }

    /// <summary>scale · inverse · sums − scale · weight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FinishHidden(float* sums, float inverse, float* weight, float scale, int units, float* to)
    {
        var i = 0;
        for (; i <= units - V.Count; i += V.Count)
        {
            var sum = scale * (V.Load(in *sums, (nuint)i) * (V)inverse);
            (sum - ((V)scale * V.Load(in *weight, (nuint)i))).Store(ref *to, (nuint)i);
        }

        for (; i < units; i++)
        {
            var sum = scale * (sums[i] * inverse);
            to[i] = sum - (scale * weight[i]);
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

    /// <summary>Gradient in the weights and biases of a chunk of classes; the next one's exponentials are fetched meanwhile.</summary>
    private static void GradWeight(
        SoftmaxTape tape, SoftmaxInputs x, float gradientScale, SoftmaxGradients grad, int chunk, int nextChunk, float* packed, int panels, float* own)
    {
        nint stride = tape.Stride;
        var factors = own;
        var edge = factors + stride;
        var logits = edge + (tape.LongestChunk * Width);
        for (nint row = 0; row < tape.Count; row += V.Count)
        {
            var at = tape.ChunkTops + (chunk * stride) + row;
            var share = Elementary.Exp(V.Load(in *at, 0) - V.Load(in *(tape.Tops + row), 0)).Value;
            (share * V.Load(in *(tape.Inverse + row), 0) * gradientScale).Store(ref *factors, (nuint)row);
        }

        var (first, all) = tape.Chunks[chunk];
        var rowPanels = (tape.Count + Width - 1) / Width;
        var next = tape.ExponentialsOf(nextChunk, 0);
        var parts = (all + Classes(tape) - 1) / Classes(tape);
        var ahead = (nint)tape.Chunks[nextChunk].Count * rowPanels * Width / (parts * panels);
        for (var part = 0; part < parts; part++)
        {
            var v = first + MatrixProduct.FirstRow(all, part, parts);
            var count = first + MatrixProduct.FirstRow(all, part + 1, parts) - v;
            for (var panel = 0; panel < rowPanels; panel++)
                Differentiate(tape.ExponentialsOf(chunk, panel) + ((nint)(v - first) * Width), count, factors + (panel * Width), logits + (panel * Width), stride);
            for (var row = 0; row < tape.Count; row++)
            {
                var target = tape.Targets[row] - v;
                if ((uint)target < (uint)count) logits[(target * stride) + row] -= gradientScale;
            }

            for (var panel = grad.Weight.At == null ? panels - 1 : 0; panel < panels; panel++, next += ahead) // the last one has the bias
            {
                var column = panel * Width;
                var wide = Wide(x.Units + 1 - column);
                var inputs = packed + ((nint)panel * Width * tape.Count);
                if (column + Width <= x.Units)
                {
                    var to = grad.Weight.At + ((nint)v * x.Units) + column;
                    MatrixProduct.MultiplyMany<V, RowMajor>(
                        count, MostWide, logits, stride, inputs, Width, tape.Count, to, x.Units, V.Count, grad.Weight.Add ? to : null, x.Units, next, ahead);
                    continue;
                }

                var adds = grad.Weight.Add || grad.Bias.Add;
                for (var r = 0; r < count && adds; r++) Gather(x, grad, v + r, column, edge + ((nint)r * Width));
                MatrixProduct.MultiplyMany<V, RowMajor>(
                    count, wide, logits, stride, inputs, wide * V.Count, tape.Count, edge, Width, V.Count, adds ? edge : null, Width, next, ahead);
                for (var r = 0; r < count; r++) Scatter(x, grad, v + r, column, edge + ((nint)r * Width));
            }
        }
    }

    /// <summary>Classes whose gradients in the logits stay in a second-level cache.</summary>
    private static int Classes(SoftmaxTape tape) =>
        Math.Min(tape.LongestChunk, Math.Max(MatrixTile.MaxRows, GroupFloats / tape.Stride / MatrixTile.MaxRows * MatrixTile.MaxRows));

    /// <summary>From exponentials of a panel to scaled probabilities.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Differentiate(float* exponentials, int count, float* factors, float* target, nint stride)
    {
        V factor0 = V.Load(in *factors, 0), factor1 = V.Load(in *factors, (nuint)V.Count), factor2 = V.Load(in *factors, 2 * (nuint)V.Count);
        for (var r = 0; r < count; r++, exponentials += Width, target += stride)
        {
            (V.Load(in *exponentials, 0) * factor0).Store(ref *target, 0);
            (V.Load(in *exponentials, (nuint)V.Count) * factor1).Store(ref *target, (nuint)V.Count);
            (V.Load(in *exponentials, 2 * (nuint)V.Count) * factor2).Store(ref *target, 2 * (nuint)V.Count);
        }
    }

    /// <summary>What a class's gradients in some columns are added to: what was there first, as where columns fill a panel.</summary>
    private static void Gather(SoftmaxInputs x, SoftmaxGradients grad, int v, int column, float* edge)
    {
        new Span<float>(edge, Width).Fill(-0f); // which changes nothing that is added to it
        for (var i = 0; i < Math.Min(Width, x.Units + 1 - column); i++)
        {
            var at = Place(x, grad, v, column + i, out var adds);
            if (adds && at != null) edge[i] = *at;
        }
    }

    private static void Scatter(SoftmaxInputs x, SoftmaxGradients grad, int v, int column, float* edge)
    {
        for (var i = 0; i < Math.Min(Width, x.Units + 1 - column); i++)
        {
            var at = Place(x, grad, v, column + i, out _);
            if (at != null) *at = edge[i];
        }
    }

    /// <summary>Where a class's gradient in a column lies, the bias behind the units; null if it is not wanted.</summary>
    private static float* Place(SoftmaxInputs x, SoftmaxGradients grad, int v, int column, out bool adds)
    {
        var target = column == x.Units ? grad.Bias : grad.Weight;
        adds = target.Add;
        return target.At == null ? null : target.At + (column == x.Units ? v : ((nint)v * x.Units) + column);
    }
}
