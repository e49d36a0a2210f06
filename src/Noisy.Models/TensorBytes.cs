using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The bytes of a tensor of any size: a span counts in 32 bits, so one of 2 GiB or more comes in pieces.</summary>
internal static class TensorBytes
{
    /// <summary>Most bytes of a piece.</summary>
    internal const long Most = 1 << 30;

    /// <summary>What is done with a piece.</summary>
    /// <param name="first">Number of its first element in row order.</param>
    /// <param name="bytes">Its bytes; whole elements.</param>
    internal delegate void Piece(long first, Span<byte> bytes);

    /// <summary>Does something with all bytes, in order.</summary>
    /// <param name="tensor">Contiguous, on the CPU.</param>
    /// <param name="work">What is done.</param>
    /// <param name="most">Most bytes of a piece; at least one element.</param>
    internal static void Each(Tensor tensor, Piece work, long most = Most)
    {
        var count = tensor.numel();
        if (count == 0) return;
        var step = Math.Max(1, most / tensor.element_size());
        if (count <= step)
        {
            work(0, tensor.bytes);
            return;
        }

        using var _ = no_grad();
        using var flat = tensor.view(-1);
        for (var first = 0L; first < count; first += step)
        {
            using var part = flat.narrow(0, first, Math.Min(step, count - first));
            work(first, part.bytes);
        }
    }
}
