using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>Sizes of an attention step.</summary>
/// <param name="Places">Annotations S of an example, ≥ 1.</param>
/// <param name="Batch">Examples B, ≥ 1.</param>
/// <param name="Units">Units A of the scores, ≥ 1.</param>
/// <param name="Channels">Numbers C of an annotation, ≥ 1.</param>
internal readonly record struct AttentionDimensions(int Places, int Batch, int Units, int Channels);

/// <summary>What an attention step reads.</summary>
internal unsafe struct AttentionInputs
{
    /// <summary>Query as the scores see it [B, A], and annotations likewise [S, B, A].</summary>
    internal float* Query, Keys;

    /// <summary>Weights of the score [A]; gap gains [A], or one for all.</summary>
    internal float* Score, Gains;

    /// <summary>[S, B, C].</summary>
    internal float* Annotations;

    /// <summary>[S, B], added to the scores; null for zeros.</summary>
    internal float* Mask;

    /// <summary>Length of <see cref="Gains"/>.</summary>
    internal int GainCount;
}

/// <summary>Gradients of an attention step: the upstream ones (null means zeros), and those to compute (null if not required).</summary>
internal unsafe struct AttentionGradients
{
    /// <summary>Upstream gradients: of the mean [B, C] and of the weights [S, B].</summary>
    internal float* Mean, Weights;

    /// <summary>[B, A], overwritten.</summary>
    internal float* Query;

    /// <summary>Shaped as the inputs; added to what is there.</summary>
    internal float* Keys, Annotations;

    /// <summary>[parts, A] and [parts, gains], a row for each of <see cref="AttentionKernel.Parts"/>; added to what is there.</summary>
    internal float* Score, Gains;
}

/// <summary>One step of additive attention, noise included: scores v · φ(q + kₛ, ξ), their softmax over the annotations, and the
/// mean of the annotations so weighted; forward and backward.</summary>
/// <remarks>
/// Examples need nothing from each other and are divided into parts by the sizes alone: the same bits for every number of threads
/// and every vector width. Noise is drawn where it is read, in both passes, and never kept; its element number is that of the key.
/// Gradients that every time step adds to are added in place, so that no step writes them out alone. Source: paper, Sections 6.4
/// and 6.5.
/// </remarks>
/// <param name="spec">The activation; valid.</param>
/// <param name="c">Noise scale; finite and ≥ 0.</param>
/// <param name="draws">Where ξ is drawn from; null takes a constant instead.</param>
/// <param name="constant">What stands for ξ if nothing is drawn.</param>
/// <param name="width">Vector width.</param>
internal abstract unsafe class AttentionKernel(NoisyActivationSpec spec, double c, NoiseStream? draws, float constant, VectorWidth width)
{
    // Elements of a part's keys at one place: few enough for a first-level cache, and enough to fill vectors and groups of draws.
    private const int PartElements = 4096;

    private protected VectorWidth Width { get; } = width;

    /// <summary>The kernel of an activation.</summary>
    /// <inheritdoc cref="AttentionKernel"/>
    internal static AttentionKernel Create(NoisyActivationSpec spec, double c, NoiseStream? draws, float constant, VectorWidth width) =>
        VectorWidths.Resolve(width) switch
        {
            VectorWidth.Bits512 => new AttentionKernel<Lanes16>(spec, c, draws, constant, VectorWidth.Bits512),
            VectorWidth.Bits256 => new AttentionKernel<Lanes8>(spec, c, draws, constant, VectorWidth.Bits256),
            VectorWidth.Bits128 => new AttentionKernel<Lanes4>(spec, c, draws, constant, VectorWidth.Bits128),
            var w => new AttentionKernel<Lanes1>(spec, c, draws, constant, w),
        };

    /// <summary>Examples of a part, the last may have fewer.</summary>
    internal static int PartRows(AttentionDimensions size) => Math.Clamp(PartElements / size.Units, 1, size.Batch);

    /// <summary>Parts of a batch.</summary>
    internal static int Parts(AttentionDimensions size) => (size.Batch + PartRows(size) - 1) / PartRows(size);

    /// <summary>One attention step.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="x">Inputs.</param>
    /// <param name="weights">Receives the weights [S, B].</param>
    /// <param name="mean">Receives the mean [B, C].</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal abstract void Forward(AttentionDimensions size, AttentionInputs x, float* weights, float* mean, int threads);

    /// <summary>The backward pass.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="x">Inputs of the forward pass.</param>
    /// <param name="weights">What it gave.</param>
    /// <param name="grad">Upstream gradients, and the gradients to compute.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal abstract void Backward(AttentionDimensions size, AttentionInputs x, float* weights, AttentionGradients grad, int threads);

    /// <summary>Means [B, C], each times the factor of its example [B].</summary>
    internal abstract void Scale(AttentionDimensions size, float* factors, float* mean, float* scaled);

    /// <summary>From the gradient in <see cref="Scale"/>'s result to that in the means, in place, and in the factors, overwritten.</summary>
    internal abstract void ScaleBack(AttentionDimensions size, float* factors, float* mean, float* grad, float* gradFactors);

    /// <summary>y += x.</summary>
    internal abstract void Add(float* x, float* y, long length);

    private protected bool Draws => spec.Noise != NoiseKind.None;

    /// <summary>Noise of some keys, side by side.</summary>
    private protected void Noise(long first, Span<float> noise)
    {
        if (draws is { } stream) NoiseSampler.Normal(stream, first, noise, Width);
        else noise.Fill(constant);
    }

    private protected void Activate(ReadOnlySpan<float> x, ReadOnlySpan<float> noise, ReadOnlySpan<float> gains, Span<float> y) =>
        SpanKernels.Run(spec, c, x, noise, spec.UsesP ? gains : default, y, Width);

    /// <summary>Turns the gradient in the activations into that in the pre-activations x, in place; y receives the activations. It may be x itself, or
    /// empty.</summary>
    private protected void ActivateBack(
        ReadOnlySpan<float> x, ReadOnlySpan<float> noise, ReadOnlySpan<float> gains, Span<float> grad, Span<float> gradGains, Span<float> y) =>
        SpanKernels.RunBack(spec, c, x, noise, spec.UsesP ? gains : default, grad, grad, spec.UsesP ? gradGains : default, y, Width);
}

/// <summary>The kernel compiled for one vector width.</summary>
internal sealed unsafe class AttentionKernel<V>(NoisyActivationSpec spec, double c, NoiseStream? draws, float constant, VectorWidth width)
    : AttentionKernel(spec, c, draws, constant, width)
    where V : struct, ILanes<V>
{
    internal override void Forward(AttentionDimensions size, AttentionInputs x, float* weights, float* mean, int threads) =>
        EachPart(size, 2 * size.Units, threads, (_, first, count, room) =>
        {
            var (units, width) = (size.Units, count * size.Units);
            float* values = room, noise = room + width;
            for (var s = 0; s < size.Places; s++)
            {
                Load(size, x, s, first, count, values, noise);
                Activate(new(values, width), Noise(noise, width), Gains(x), new(values, width));
                for (var b = 0; b < count; b++)
                {
                    var at = (s * size.Batch) + first + b;
                    weights[at] = LaneSums.Dot<V>(values + (b * units), x.Score, units) + (x.Mask == null ? 0 : x.Mask[at]);
                }
            }

            for (var b = first; b < first + count; b++)
            {
                Softmax(weights + b, size.Places, size.Batch);
                var to = mean + ((nint)b * size.Channels);
                new Span<float>(to, size.Channels).Clear();
                for (var s = 0; s < size.Places; s++) AddTimes(weights[(s * size.Batch) + b], Annotation(size, x, s, b), to, size.Channels);
            }
        });

    internal override void Backward(AttentionDimensions size, AttentionInputs x, float* weights, AttentionGradients grad, int threads) =>
        EachPart(size, (3 * size.Units) + size.Places, threads, (part, first, count, room) =>
        {
            var (units, width) = (size.Units, count * size.Units);
            float* values = room, noise = room + width, below = noise + width, slopes = below + width;
            for (var b = 0; b < count; b++) ScoreSlopes(size, x, weights, grad, first + b, slopes + b, count);
            new Span<float>(grad.Query + ((nint)first * units), width).Clear();
            var gains = grad.Gains == null ? default : new Span<float>(grad.Gains + (part * x.GainCount), x.GainCount);
            for (var s = 0; s < size.Places; s++)
            {
                Load(size, x, s, first, count, values, noise);
                for (var b = 0; b < count; b++) Times(slopes[(s * count) + b], x.Score, below + (b * units), units);

                var activations = grad.Score == null ? default : new Span<float>(values, width);
                ActivateBack(new(values, width), Noise(noise, width), Gains(x), new(below, width), gains, activations);
                if (grad.Score != null)
                {
                    for (var b = 0; b < count; b++) AddTimes(slopes[(s * count) + b], values + (b * units), grad.Score + ((nint)part * units), units);
                }

                AddTimes(1, below, grad.Query + ((nint)first * units), width);
                if (grad.Keys != null) AddTimes(1, below, grad.Keys + ((((nint)s * size.Batch) + first) * units), width);
            }
        });

    internal override void Scale(AttentionDimensions size, float* factors, float* mean, float* scaled)
    {
        for (nint b = 0; b < size.Batch; b++) Times(factors[b], mean + (b * size.Channels), scaled + (b * size.Channels), size.Channels);
    }

    internal override void ScaleBack(AttentionDimensions size, float* factors, float* mean, float* grad, float* gradFactors)
    {
        for (nint b = 0; b < size.Batch; b++)
        {
            var row = grad + (b * size.Channels);
            gradFactors[b] = LaneSums.Dot<V>(row, mean + (b * size.Channels), size.Channels);
            Times(factors[b], row, row, size.Channels);
        }
    }

    internal override void Add(float* x, float* y, long length) => AddTimes(1, x, y, checked((int)length));

    private static ReadOnlySpan<float> Gains(AttentionInputs x) => new(x.Gains, x.Gains == null ? 0 : x.GainCount);

    private static float* Annotation(AttentionDimensions size, AttentionInputs x, int place, int example) =>
        x.Annotations + ((((nint)place * size.Batch) + example) * size.Channels);

    private ReadOnlySpan<float> Noise(float* noise, int length) => Draws ? new(noise, length) : default;

    /// <summary>Pre-activations of a part at one place, with their noise.</summary>
    private void Load(AttentionDimensions size, AttentionInputs x, int place, int first, int count, float* values, float* noise)
    {
        var (row, width) = ((((nint)place * size.Batch) + first) * size.Units, count * size.Units);
        Plus(x.Keys + row, x.Query + ((nint)first * size.Units), values, width);
        if (Draws) Noise(row, new Span<float>(noise, width));
    }

    /// <summary>Gradient in the scores of an example; adds the gradient in its annotations.</summary>
    private static void ScoreSlopes(AttentionDimensions size, AttentionInputs x, float* weights, AttentionGradients grad, int b, float* slopes, int step)
    {
        var upstream = grad.Mean == null ? null : grad.Mean + ((nint)b * size.Channels);
        var mean = 0f;
        for (var s = 0; s < size.Places; s++)
        {
            var at = (s * size.Batch) + b;
            var slope = (upstream == null ? 0 : LaneSums.Dot<V>(upstream, Annotation(size, x, s, b), size.Channels)) + (grad.Weights == null ? 0 : grad.Weights[at]);
            slopes[s * step] = slope;
            mean = MathF.FusedMultiplyAdd(weights[at], slope, mean);
            if (upstream != null && grad.Annotations != null)
                AddTimes(weights[at], upstream, grad.Annotations + ((((nint)s * size.Batch) + b) * size.Channels), size.Channels);
        }

        for (var s = 0; s < size.Places; s++) slopes[s * step] = weights[(s * size.Batch) + b] * (slopes[s * step] - mean);
    }

    /// <summary>From scores to weights, in place.</summary>
    private static void Softmax(float* scores, int count, int stride)
    {
        var top = float.NegativeInfinity;
        for (var i = 0; i < count; i++) top = MathF.Max(top, scores[i * stride]);
        var sum = 0.0;
        for (var i = 0; i < count; i++)
        {
            scores[i * stride] = MathF.Exp(scores[i * stride] - top);
            sum += scores[i * stride];
        }

        for (var i = 0; i < count; i++) scores[i * stride] = (float)(scores[i * stride] / sum);
    }

    /// <summary>z = x + y.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Plus(float* x, float* y, float* z, int length)
    {
        nint i = 0;
        for (; i <= length - V.Count; i += V.Count) (V.Load(in *(x + i), 0) + V.Load(in *(y + i), 0)).Store(ref *(z + i), 0);
        for (; i < length; i++) z[i] = x[i] + y[i];
    }

    /// <summary>y = a x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Times(float a, float* x, float* y, int length)
    {
        V factor = a;
        nint i = 0;
        for (; i <= length - V.Count; i += V.Count) (V.Load(in *(x + i), 0) * factor).Store(ref *(y + i), 0);
        for (; i < length; i++) y[i] = x[i] * a;
    }

    /// <summary>y += a x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddTimes(float a, float* x, float* y, int length)
    {
        V factor = a;
        nint i = 0;
        for (; i <= length - V.Count; i += V.Count) V.MultiplyAdd(V.Load(in *(x + i), 0), factor, V.Load(in *(y + i), 0)).Store(ref *(y + i), 0);
        for (; i < length; i++) y[i] = MathF.FusedMultiplyAdd(x[i], a, y[i]);
    }

    private delegate void Part(int number, int first, int count, float* room);

    /// <summary>Does a body for each part, with room for so many floats an example.</summary>
    private static void EachPart(AttentionDimensions size, int floats, int threads, Part body)
    {
        var (rows, parts) = (PartRows(size), Parts(size));
        var own = (((long)rows * floats) + Padding.Lanes - 1) / Padding.Lanes * Padding.Lanes;
        var workers = Math.Min(threads, parts);
        var room = BufferPool.Rent(own * workers);
        ThreadTeam.Shared.Run(workers, member =>
        {
            var (part, end) = member.Share(parts);
            for (; part < end; part++)
            {
                var first = part * rows;
                body(part, first, Math.Min(rows, size.Batch - first), room.Start + (member.Index * own));
            }
        });
        BufferPool.Return(room);
    }
}
