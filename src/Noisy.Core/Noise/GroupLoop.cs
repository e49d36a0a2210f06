using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Noisy.Core;

/// <summary>The one loop of all samplers, over the groups of <see cref="NoiseStream.Group"/> elements that a span touches.</summary>
/// <remarks>A group of which only a part is requested is made whole in a buffer, and the part copied.</remarks>
internal static class GroupLoop
{
    private const int Blocks = 16;

    /// <summary>Groups that take one step at a time together: few enough to stay in the nearest cache.</summary>
    private const int ChunkGroups = 4;

    internal static void Fill<TDraw>(
        TDraw draw, NoiseStream stream, long firstElement, Span<float> destination, VectorWidth width)
        where TDraw : struct, INoiseDraw
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstElement);
        if (firstElement > NoiseStream.Elements - destination.Length)
            throw new ArgumentOutOfRangeException(nameof(firstElement), firstElement, "a stream has 2^34 elements: take another time step or key");
        width = VectorWidths.Resolve(width);
        Span<float> buffer = stackalloc float[NoiseStream.Group];
        Span<float> scratch = stackalloc float[2 * ChunkGroups * NoiseStream.Group];
        var group = firstElement / NoiseStream.Group;
        var skipped = (int)(firstElement % NoiseStream.Group);
        while (!destination.IsEmpty)
        {
            var count = destination.Length / NoiseStream.Group;
            if (skipped == 0 && count > 0)
            {
                Groups(draw, stream, group, count, destination, scratch, width);
                group += count;
                destination = destination[(count * NoiseStream.Group)..];
                continue;
            }

            Groups(draw, stream, group++, 1, buffer, scratch, width);
            var part = buffer[skipped..];
            if (part.Length > destination.Length) part = part[..destination.Length];
            part.CopyTo(destination);
            destination = destination[part.Length..];
            skipped = 0;
        }
    }

    /// <summary>Whole groups; the destination has room for them.</summary>
    private static void Groups<TDraw>(
        TDraw draw, NoiseStream stream, long group, int count, Span<float> destination, Span<float> scratch,
        VectorWidth width)
        where TDraw : struct, INoiseDraw
    {
        ref var start = ref MemoryMarshal.GetReference(destination);
        ref var spare = ref MemoryMarshal.GetReference(scratch);
        var block = (uint)(group * Blocks);
        switch (width)
        {
            case VectorWidth.Bits512:
                Groups<TDraw, Words16, Lanes16>(draw, stream, block, count, ref start, ref spare);
                break;
            case VectorWidth.Bits256:
                Groups<TDraw, Words8, Lanes8>(draw, stream, block, count, ref start, ref spare);
                break;
            case VectorWidth.Bits128:
                Groups<TDraw, Words4, Lanes4>(draw, stream, block, count, ref start, ref spare);
                break;
            default:
                Groups(draw, stream, block, destination[..(count * NoiseStream.Group)]);
                break;
        }
    }

    private static void Groups<TDraw, W, V>(
        TDraw draw, NoiseStream stream, uint block, int count, ref float destination, ref float scratch)
        where TDraw : struct, INoiseDraw
        where W : struct, IWords<W, V>
        where V : struct, ILanes<V>, IBitLanes<V>
    {
        Span<ulong> keys = stackalloc ulong[Philox.KeyCount];
        Philox.RoundKeys(stream.Key.K0, stream.Key.K1, keys);
        while (count > 0)
        {
            var chunk = Math.Min(count, ChunkGroups);
            Words<W, V>(stream, in MemoryMarshal.GetReference(keys), block, chunk, ref destination);
            draw.Replace<V>(ref destination, ref scratch, (nuint)(chunk * NoiseStream.Group));
            block += (uint)(chunk * Blocks);
            count -= chunk;
            destination = ref Unsafe.Add(ref destination, chunk * NoiseStream.Group);
        }
    }

    /// <summary>The words themselves, as the bits of the numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Words<W, V>(NoiseStream stream, ref readonly ulong keys, uint block, int count, ref float destination)
        where W : struct, IWords<W, V>
        where V : struct, ILanes<V>, IBitLanes<V>
    {
        for (; count > 0; count--)
        {
            for (var lane = 0; lane < Blocks; lane += V.Count)
            {
                var (w0, w1, w2, w3) = Philox.Blocks<W, V>(in keys, block + (uint)lane,
                    (uint)stream.TimeStep, (uint)stream.Update, (uint)(stream.Update >> 32));
                w0.Pack().Store(ref destination, (nuint)lane);
                w1.Pack().Store(ref destination, (nuint)lane + Blocks);
                w2.Pack().Store(ref destination, (nuint)lane + (2 * Blocks));
                w3.Pack().Store(ref destination, (nuint)lane + (3 * Blocks));
            }

            block += Blocks;
            destination = ref Unsafe.Add(ref destination, NoiseStream.Group);
        }
    }

    /// <summary>The scalar form: four draws a block.</summary>
    private static void Groups<TDraw>(TDraw draw, NoiseStream stream, uint block, Span<float> destination)
        where TDraw : struct, INoiseDraw
    {
        for (; !destination.IsEmpty; destination = destination[NoiseStream.Group..], block += Blocks)
        {
            for (var lane = 0; lane < Blocks; lane++)
            {
                var (w0, w1, w2, w3) = Philox.Block(stream.Key.K0, stream.Key.K1, block + (uint)lane,
                    (uint)stream.TimeStep, (uint)stream.Update, (uint)(stream.Update >> 32));
                destination[lane] = draw.Draw(w0);
                destination[lane + Blocks] = draw.Draw(w1);
                destination[lane + (2 * Blocks)] = draw.Draw(w2);
                destination[lane + (3 * Blocks)] = draw.Draw(w3);
            }
        }
    }
}
