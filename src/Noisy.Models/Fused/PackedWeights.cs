using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Weights packed for the engine once for all time steps of a sequence, when the first of them asks.</summary>
/// <remarks>Weights that were changed in between are packed again, and so are those of a kernel of another vector width.</remarks>
/// <param name="weight">The weights, contiguous.</param>
internal sealed unsafe class PackedWeights(Tensor weight)
{
    private NativeBuffer? buffer;
    private PackedOf of;

    /// <summary>The weights as a kernel takes them.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="pack">Packs the weights, from their first float on.</param>
    internal float* Of(object kernel, Packing pack)
    {
        var now = new PackedOf((nint)FusedEngine.Pointer(weight), TorchInternals.Version(weight), kernel.GetType());
        if (buffer is null || now.Version is null || now != of)
        {
            Free();
            buffer = pack((float*)now.At);
            of = now;
        }

        return buffer.Start;
    }

    /// <summary>Frees them.</summary>
    internal void Free()
    {
        if (Interlocked.Exchange(ref buffer, null) is { } owned) BufferPool.Return(owned);
    }

    /// <summary>Packs weights.</summary>
    internal delegate NativeBuffer Packing(float* weight);

    /// <summary>What was packed: where the weights lie, how often they were changed (null if that is not known), and for which kernel.</summary>
    private readonly record struct PackedOf(nint At, uint? Version, Type Kernel);
}
