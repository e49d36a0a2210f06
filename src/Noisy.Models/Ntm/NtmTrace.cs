using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What a machine did with a batch of sequences; tensors owned by the caller.</summary>
/// <param name="Logits">[T, B, O].</param>
/// <param name="Attention">Of every head, readers first: [T, B, R + W, N].</param>
/// <param name="Memory">After each time step: [T, B, N, M].</param>
public sealed record NtmTrace(Tensor Logits, Tensor Attention, Tensor Memory) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        Logits.Dispose();
        Attention.Dispose();
        Memory.Dispose();
    }
}
