using System.Runtime.CompilerServices;

namespace Noisy.Core;

internal sealed unsafe partial class SoftmaxKernel<V>
{
    // Floats of inputs and of their gradient's sums that pass by each chunk of weights: few enough for a last-level cache, and for a task's time.
    private const int BlockFloats = 200_000;

    internal override SoftmaxTape Forward(SoftmaxInputs x, int[] targets, SoftmaxRequiresGrad requiresGrad, int threads)
    {
        var tape = new SoftmaxTape(x, targets, requiresGrad, Width);
        var panels = (tape.Count + Width - 1) / Width;
        var blocks = Blocks(panels, x.Units, tape.Groups, threads);
        var transposed = (long)panels * Width * x.Units;
        var own = Width + (requiresGrad.Weights ? 0 : tape.LongestChunk * Width);
        var work = BufferPool.Rent(transposed + ((long)threads * own));
        var tasks = new TaskQueue(tape.Groups * blocks);
        ThreadTeam.Shared.Run(threads, member =>
        {
            EngineProfile.Start(member);
            var (first, end) = member.Share(panels);
            fixed (int* kept = tape.Kept)
            {
                for (var panel = first; panel < end; panel++)
                {
                    var row = panel * Width;
                    Panels.PackColumns(
                        x.Hidden, x.Units, Math.Min(Width, tape.Count - row), x.Units, work.Start + ((nint)row * x.Units), Width, Width, kept + row);
                }
            }

            member.Barrier();
            EngineProfile.Mark(member, EngineStage.Pack);
            var scratch = work.Start + transposed + ((nint)member.Index * own);
            while (tasks.Take(out var task))
            {
                var (group, block) = (task / blocks, task % blocks);
                Pass(tape, x, work.Start, group, MatrixProduct.FirstRow(panels, block, blocks), MatrixProduct.FirstRow(panels, block + 1, blocks), scratch, member);
            }

            member.Barrier();
            (first, end) = member.Share(tape.Count);
            for (var row = first; row < end; row++) Finish(tape, row);
            EngineProfile.Mark(member, EngineStage.Softmax);
        });
        BufferPool.Return(work);
        return tape;
    }

    /// <summary>Parts of the panels that are tasks of their own: enough for all threads, and small enough for the caches.</summary>
    private static int Blocks(int panels, int units, int groups, int threads)
    {
        var fitting = Math.Max(1, BlockFloats / (2 * units * Width));
        return Math.Min(panels, Math.Max((panels + fitting - 1) / fitting, ((2 * threads) + groups - 1) / groups));
    }

    /// <summary>A group of classes for some panels of rows.</summary>
    private static void Pass(SoftmaxTape tape, SoftmaxInputs x, float* transposed, int group, int first, int end, float* factors, TeamMember member)
    {
        var scratch = factors + Width;
        nint stride = tape.Stride;
        var tops = tape.GroupTops + (group * stride);
        var sums = tape.GroupSums + (group * stride);
        new Span<float>(tops + (first * Width), (end - first) * Width).Fill(float.MinValue);
        new Span<float>(sums + (first * Width), (end - first) * Width).Clear();
        for (var chunk = tape.GroupStarts[group]; chunk < tape.GroupStarts[group + 1]; chunk++)
        {
            var (v, count) = tape.Chunks[chunk];
            var weights = x.Weight + ((nint)v * x.Units);
            var next = weights + ((nint)count * x.Units);
            var ahead = (nint)count * x.Units / (end - first);
            for (var panel = first; panel < end; panel++)
            {
                var row = (nint)panel * Width;
                var wide = Wide(tape.Count - row);
                var block = tape.RequiresGrad.Weights ? tape.ExponentialsOf(chunk, panel) : scratch;
                MatrixProduct.MultiplyMany<V, RowMajor>(
                    count, wide, weights, x.Units, transposed + (row * x.Units), Width, x.Units, block, Width, V.Count, null, 0);
                EngineProfile.Mark(member, EngineStage.Logits);
                KeepTargets(tape, x, v, count, row, block);
                var moved = wide switch
                {
                    1 => Exponentiate<Count1>(x, v, count, block, tops + row, sums + row, factors),
                    2 => Exponentiate<Count2>(x, v, count, block, tops + row, sums + row, factors),
                    _ => Exponentiate<Count3>(x, v, count, block, tops + row, sums + row, factors),
                };
                new Span<float>(tops + row, Width).CopyTo(new Span<float>(tape.ChunkTops + (chunk * stride) + row, Width));
                EngineProfile.Mark(member, EngineStage.Softmax);
                if (!tape.RequiresGrad.Hidden) continue;
                var to = tape.SumsOf(group, panel);
                var isFirst = chunk == tape.GroupStarts[group];
                if (moved && !isFirst) Rescale(to, x.Units, wide, factors);
                AddHidden(weights, x.Units, block, wide, count, to, isFirst, next, ahead);
                next += ahead;
                EngineProfile.Mark(member, EngineStage.SoftmaxGradInput);
            }
        }
    }

    /// <summary>Keeps the logits of those targets that are among some classes.</summary>
    private static void KeepTargets(SoftmaxTape tape, SoftmaxInputs x, int v, int count, nint row, float* logits)
    {
        for (var i = 0; i < Math.Min(Width, tape.Count - row); i++)
        {
            var target = tape.Targets[row + i] - v;
            if ((uint)target < (uint)count) tape.TargetLogits[row + i] = logits[(target * Width) + i] + Bias(x, v + target);
        }
    }

    /// <summary>Adds weights times exponentials to the sums; the weights, [class, unit], are the left operand as they lie.</summary>
    private static void AddHidden(
        float* weights, int units, float* exponentials, int wide, int count, float* sums, bool isFirst, float* next, nint nextLength)
    {
        var most = MatrixProduct.TileRows<V>(MostWide);
        var ahead = nextLength * most / units;
        for (var unit = 0; unit < units; unit += most, next += ahead)
        {
            var to = sums + ((nint)unit * Width);
            MatrixProduct.Multiply<V, InterleavedRows>(
                Math.Min(most, units - unit), wide, weights + unit, units, exponentials, Width, count, to, Width, V.Count, isFirst ? null : to, Width,
                next, ahead);
        }
    }

    /// <summary>From logits to exponentials relative to the greatest so far.</summary>
    /// <returns>Whether any row has a new greatest logit; what earlier sums are then to be multiplied by is in the factors.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool Exponentiate<TWide>(SoftmaxInputs x, int v, int count, float* logits, float* tops, float* sums, float* factors)
        where TWide : struct, ICount
    {
        V top0 = V.Load(in *tops, 0), top1 = V.Load(in *tops, (nuint)V.Count), top2 = V.Load(in *tops, 2 * (nuint)V.Count);
        V before0 = top0, before1 = top1, before2 = top2;
        var at = logits;
        for (nint r = 0; r < count; r++, at += Width)
        {
            V bias = Bias(x, v + r);
            top0 = V.Greater(V.Load(in *at, 0) + bias, top0);
            if (TWide.Value > 1) top1 = V.Greater(V.Load(in *at, (nuint)V.Count) + bias, top1);
            if (TWide.Value > 2) top2 = V.Greater(V.Load(in *at, 2 * (nuint)V.Count) + bias, top2);
        }

        V sum0 = 0f, sum1 = 0f, sum2 = 0f;
        at = logits;
        for (nint r = 0; r < count; r++, at += Width)
        {
            V bias = Bias(x, v + r);
            sum0 = sum0 + Exp(at, 0, bias, top0);
            if (TWide.Value > 1) sum1 = sum1 + Exp(at, (nuint)V.Count, bias, top1);
            if (TWide.Value > 2) sum2 = sum2 + Exp(at, 2 * (nuint)V.Count, bias, top2);
        }

        Update(0, before0, top0, sum0, tops, sums, factors);
        if (TWide.Value > 1) Update((nuint)V.Count, before1, top1, sum1, tops, sums, factors);
        if (TWide.Value > 2) Update(2 * (nuint)V.Count, before2, top2, sum2, tops, sums, factors);
        for (var i = 0; i < TWide.Value * V.Count; i++)
        {
            if (factors[i] != 1) return true;
        }

        return false;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Exp(float* at, nuint lane, V bias, V top)
    {
        var exp = Elementary.Exp(V.Load(in *at, lane) + bias - top).Value;
        exp.Store(ref *at, lane);
        return exp;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Update(nuint lane, V before, V top, V sum, float* tops, float* sums, float* factors)
    {
        var factor = Elementary.Exp(before - top).Value;
        factor.Store(ref *factors, lane);
        V.MultiplyAdd(V.Load(in *sums, lane), factor, sum).Store(ref *sums, lane);
        top.Store(ref *tops, lane);
    }

    /// <summary>Multiplies sums made so far, [H, row], by a factor for each row.</summary>
    private static void Rescale(float* sums, int units, int wide, float* factors)
    {
        for (nuint i = 0; i < (nuint)(wide * V.Count); i += (nuint)V.Count)
        {
            var factor = V.Load(in *factors, i);
            var at = sums;
            for (var unit = 0; unit < units; unit++, at += Width) (V.Load(in *at, i) * factor).Store(ref *at, i);
        }
    }

    /// <summary>Loss of a row, and what makes each group's exponentials probabilities.</summary>
    private static void Finish(SoftmaxTape tape, int row)
    {
        nint stride = tape.Stride;
        var top = float.MinValue;
        for (var group = 0; group < tape.Groups; group++) top = Math.Max(top, tape.GroupTops[(group * stride) + row]);
        var sum = 0.0;
        for (var group = 0; group < tape.Groups; group++)
        {
            var share = Math.Exp(tape.GroupTops[(group * stride) + row] - (double)top);
            tape.GroupFactors[(group * stride) + row] = (float)share;
            sum += share * tape.GroupSums[(group * stride) + row];
        }

        tape.Losses[row] = top - (double)tape.TargetLogits[row] + Math.Log(sum);
        tape.Right[row] = tape.TargetLogits[row] == top;
        tape.Tops[row] = top;
        tape.Inverse[row] = (float)(1 / sum);
    }

    private static float Bias(SoftmaxInputs x, nint v) => x.Bias == null ? 0 : x.Bias[v];
}
