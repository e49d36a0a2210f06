using Noisy.Core;

namespace Noisy.Models;

/// <summary>Weights packed for one pass.</summary>
internal sealed unsafe class PassWeights : IDisposable
{
    private readonly List<NativeBuffer> buffers = [];

    /// <summary>Takes packed weights, to be given back at the end of the pass.</summary>
    internal float* Take(NativeBuffer buffer)
    {
        buffers.Add(buffer);
        return buffer.Start;
    }

    public void Dispose()
    {
        foreach (var buffer in buffers) BufferPool.Return(buffer);
        buffers.Clear();
    }
}
