using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>A segment of weights with its gradient and running values.</summary>
internal unsafe struct WeightSegment
{
    internal float* Weight, Gradient, First, Second, Third;
    internal long Length;

    /// <summary>The same, from an element on; a running value that there is none of stays none.</summary>
    internal readonly WeightSegment Part(long first, long length) => new()
    {
        Weight = Weight + first,
        Gradient = Gradient + first,
        First = First == null ? null : First + first,
        Second = Second == null ? null : Second + first,
        Third = Third == null ? null : Third + first,
        Length = length,
    };
}

/// <summary>Norm of a gradient and step of an optimiser over many segments of memory, in one pass each.</summary>
/// <remarks>Segments are cut into chunks of one size, and sums go chunk by chunk: the same bits for every number of threads
/// and every vector width.</remarks>
internal static unsafe class OptimizerKernel
{
    private const int ChunkLength = 1 << 14, Sums = 32;

    /// <summary>Sum of the squares of all gradients.</summary>
    internal static double SquaredNorm(WeightSegment[] segments, VectorWidth width, int threads)
    {
        var chunks = Cut(segments);
        var sums = new double[chunks.Length];
        ThreadTeam.Shared.Run(chunks.Length > 4 ? threads : 1, member =>
        {
            EngineProfile.Start(member);
            var (first, end) = Share(member, chunks);
            for (var i = first; i < end; i++)
            {
                sums[i] = VectorWidths.Resolve(width) switch
                {
                    VectorWidth.Bits512 => SquaredNorm<Lanes16>(chunks[i]),
                    VectorWidth.Bits256 => SquaredNorm<Lanes8>(chunks[i]),
                    VectorWidth.Bits128 => SquaredNorm<Lanes4>(chunks[i]),
                    _ => SquaredNorm<Lanes1>(chunks[i]),
                };
            }

            EngineProfile.Mark(member, EngineStage.Norm);
        });
        return sums.Sum();
    }

    /// <summary>Multiplies all gradients.</summary>
    internal static void Scale(WeightSegment[] segments, double factor, VectorWidth width, int threads)
    {
        WeightSegment[] gradients = [.. segments.Select(s => new WeightSegment { Weight = s.Gradient, Gradient = s.Gradient, Length = s.Length })];
        Run(default(ScaleRule), gradients, ((float)factor, 0), width, threads);
    }

    /// <summary>One step of every weight.</summary>
    /// <param name="spec">The method; valid.</param>
    /// <param name="segments">Weights; running values as many as <see cref="OptimizerSpec.States"/>.</param>
    /// <param name="rate">Learning rate.</param>
    /// <param name="gradientScale">What every gradient is multiplied by first.</param>
    /// <param name="step">Number of this step, from 1.</param>
    /// <param name="width">Vector width.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal static void Step(OptimizerSpec spec, WeightSegment[] segments, double rate, double gradientScale, long step, VectorWidth width, int threads)
    {
        var scales = ((float)gradientScale, (float)spec.WeightDecay);
        switch (spec.Kind)
        {
            case OptimizerKind.Sgd when spec.Momentum == 0: Run(new SgdRule(rate), segments, scales, width, threads); break;
            case OptimizerKind.Sgd: Run(new MomentumRule(spec, rate), segments, scales, width, threads); break;
            case OptimizerKind.RmsProp: Run(new RmsPropRule(spec, rate), segments, scales, width, threads); break;
            case OptimizerKind.GravesRmsProp: Run(new GravesRule(spec, rate), segments, scales, width, threads); break;
            case OptimizerKind.Adam: Run(new AdamRule(spec, rate, step), segments, scales, width, threads); break;
            default: Run(new AdadeltaRule(spec, rate), segments, scales, width, threads); break;
        }
    }

    private static void Run<TRule>(TRule rule, WeightSegment[] segments, (float Gradient, float Decay) scales, VectorWidth width, int threads)
        where TRule : struct, IUpdateRule
    {
        var chunks = Cut(segments);
        ThreadTeam.Shared.Run(chunks.Length > 4 ? threads : 1, member =>
        {
            EngineProfile.Start(member);
            var (first, end) = Share(member, chunks);
            for (var i = first; i < end; i++)
            {
                long done = 0;
                switch (VectorWidths.Resolve(width))
                {
                    case VectorWidth.Bits512: done = Run<Lanes16, TRule>(rule, chunks[i], scales, done); break;
                    case VectorWidth.Bits256: done = Run<Lanes8, TRule>(rule, chunks[i], scales, done); break;
                    case VectorWidth.Bits128: done = Run<Lanes4, TRule>(rule, chunks[i], scales, done); break;
                }

                Run<Lanes1, TRule>(rule, chunks[i], scales, done);
            }

            EngineProfile.Mark(member, EngineStage.Update);
        });
    }

    /// <summary>A member's chunks: about as many weights for each, since rows of an embedding are short.</summary>
    private static (int First, int End) Share(TeamMember member, WeightSegment[] chunks)
    {
        long total = chunks.Sum(c => c.Length), before = 0;
        var (first, end) = (chunks.Length, chunks.Length);
        for (var i = 0; i < chunks.Length; before += chunks[i++].Length)
        {
            var owner = before * member.Count / total;
            if (owner >= member.Index && first == chunks.Length) first = i;
            if (owner <= member.Index) continue;
            end = i;
            break;
        }

        return (Math.Min(first, end), end);
    }

    private static WeightSegment[] Cut(WeightSegment[] segments)
    {
        List<WeightSegment> chunks = [];
        foreach (var s in segments)
        {
            for (long first = 0; first < s.Length; first += ChunkLength) chunks.Add(s.Part(first, Math.Min(ChunkLength, s.Length - first)));
        }

        return [.. chunks];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long Run<V, TRule>(TRule rule, WeightSegment s, (float Gradient, float Decay) scales, long done)
        where V : struct, ILanes<V>
        where TRule : struct, IUpdateRule
    {
        for (; done <= s.Length - V.Count; done += V.Count)
        {
            var (weight, gradient) = (V.Load(in *(s.Weight + done), 0), V.Load(in *(s.Gradient + done), 0) * scales.Gradient);
            if (scales.Decay != 0) gradient = V.MultiplyAdd(weight, scales.Decay, gradient);
            rule.Step(weight, gradient, s.First + done, s.Second + done, s.Third + done).Store(ref *(s.Weight + done), 0);
        }

        return done;
    }

    // Always the same 32 running sums, whatever the width.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SquaredNorm<V>(WeightSegment s)
        where V : struct, ILanes<V>
    {
        var sums = stackalloc float[Sums];
        new Span<float>(sums, Sums).Clear();
        long done = 0;
        for (; done <= s.Length - Sums; done += Sums)
        {
            for (var lane = 0; lane < Sums; lane += V.Count)
            {
                var x = V.Load(in *(s.Gradient + done + lane), 0);
                V.MultiplyAdd(x, x, V.Load(in *(sums + lane), 0)).Store(ref *(sums + lane), 0);
            }
        }

        double total = 0;
        for (; done < s.Length; done++) total += (double)s.Gradient[done] * s.Gradient[done];
        for (var lane = 0; lane < Sums; lane++) total += sums[lane];
        return total;
    }
}
