using System.Buffers;

namespace Noisy.Core;

/// <summary>One activation over a whole tensor, noise included, forward and backward, on several threads.</summary>
/// <remarks>
/// Layout as in <see cref="SpanKernels"/>: rows of n units, n the length of p. Blocks of whole rows follow from the sizes
/// alone, and sums over rows are added block by block, so the bits are the same for every number of threads. Noise is drawn
/// where it is read, in both passes, and never kept.
/// </remarks>
/// <param name="spec">The activation; valid.</param>
/// <param name="c">Noise scale; finite and ≥ 0.</param>
/// <param name="draws">Where ξ is drawn from, element i of x with draw i; null takes a constant instead.</param>
/// <param name="constant">What stands for ξ if nothing is drawn.</param>
/// <param name="width">Vector width.</param>
internal sealed unsafe class ActivationKernel(
    NoisyActivationSpec spec, double c, NoiseStream? draws, float constant, VectorWidth width)
{
    // Few enough for a core's cache, and enough that hardly any group of draws is made twice; rows enough that the sums of the
    // blocks are small beside x.
    private const int LeastElements = 4096, LeastRows = 16;

    // With less work than this, waking a thread takes longer than it saves.
    private const int BlocksOfThread = 4;

    private readonly VectorWidth width = VectorWidths.Resolve(width);
    private readonly bool reads = spec.Noise != NoiseKind.None;

    private delegate void Block(int number, long first, int count, ReadOnlySpan<float> noise);

    /// <summary>y = φ(x, ξ).</summary>
    /// <param name="x">Pre-activations.</param>
    /// <param name="p">Gap gains [n]; not read by an activation that has none.</param>
    /// <param name="y">Receives the activations; may be x.</param>
    /// <param name="length">Elements of x, ≥ 0; whole rows.</param>
    /// <param name="units">Units n, ≥ 1; 1 shares one gain, or has none.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal void Forward(float* x, float* p, float* y, long length, int units, int threads) =>
        EachBlock(length, units, threads, (_, first, count, noise) =>
            SpanKernels.Run(spec, c, new(x + first, count), noise, Gains(p, units), new(y + first, count), width));

    /// <summary>gradX = gradY · ∂φ/∂x, and gradY · ∂φ/∂p summed over the rows.</summary>
    /// <param name="x">Pre-activations of the forward pass.</param>
    /// <param name="p">Gap gains of the forward pass.</param>
    /// <param name="gradY">Gradient in y.</param>
    /// <param name="gradX">Receives the gradient in x; may be gradY.</param>
    /// <param name="gains">Receives the gradient in p, unless it is not wanted.</param>
    /// <param name="length">Elements of x.</param>
    /// <param name="units">Units n.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal void Backward(
        float* x, float* p, float* gradY, float* gradX, GradientTarget gains, long length, int units, int threads)
    {
        var blocks = Blocks(length, units);
        var wanted = gains.At != null && spec.UsesP;
        var parts = BufferPool.Rent(wanted ? (long)blocks * units : 0);
        EachBlock(length, units, threads, (block, first, count, noise) =>
        {
            var part = wanted ? new Span<float>(parts.Start + ((long)block * units), units) : default;
            part.Clear();
            SpanKernels.Backward(
                spec, c, new(x + first, count), noise, Gains(p, units), new(gradY + first, count), new(gradX + first, count), part, width);
        });
        if (wanted)
        {
            var sums = new Span<float>(gains.At, units);
            if (!gains.Add) sums.Clear();
            for (var block = 0; block < blocks; block++)
            {
                var part = parts.Start + ((long)block * units);
                for (var unit = 0; unit < units; unit++) sums[unit] += part[unit];
            }
        }

        BufferPool.Return(parts);
    }

    private static long BlockLength(int units) => (long)units * Math.Max(LeastRows, (LeastElements + units - 1) / units);

    private static int Blocks(long length, int units) => checked((int)((length + BlockLength(units) - 1) / BlockLength(units)));

    private ReadOnlySpan<float> Gains(float* p, int units) => spec.UsesP ? new(p, units) : default;

    private void EachBlock(long length, int units, int threads, Block body)
    {
        var (blocks, size) = (Blocks(length, units), BlockLength(units));
        ThreadTeam.Shared.Run(Math.Clamp(blocks / BlocksOfThread, 1, threads), member =>
        {
            var (start, end) = member.Share(blocks);
            var room = ArrayPool<float>.Shared.Rent(reads ? (int)Math.Min(size, length) : 0);
            if (draws is null) Array.Fill(room, constant);
            for (var block = start; block < end; block++)
            {
                var first = block * size;
                var count = (int)Math.Min(size, length - first);
                var noise = reads ? room.AsSpan(0, count) : default;
                if (draws is { } stream && reads) NoiseSampler.Normal(stream, first, noise, width);
                body(block, first, count, noise);
            }

            ArrayPool<float>.Shared.Return(room);
        });
    }
}
