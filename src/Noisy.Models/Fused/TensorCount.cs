using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Tensors without a handle, which TorchSharp makes for gradients that are not there. It counts them in
/// <see cref="Tensor.TotalCount"/> and never takes them off again, so that the count would climb at every backward pass.</summary>
internal static class TensorCount
{
    /// <summary>The tensor, or null if it has no handle; it is then no longer counted.</summary>
    internal static Tensor? Valid(Tensor? tensor)
    {
        if (tensor is null || !tensor.IsInvalid) return tensor;
        TakeOff();
        return null;
    }

    /// <summary>Disposes a tensor that may have no handle.</summary>
    internal static void Dispose(Tensor? tensor) => Valid(tensor)?.Dispose();

    private static void TakeOff()
    {
        try
        {
            Interlocked.Decrement(ref Total(null));
        }
        catch (MissingFieldException)
        {
            // Another TorchSharp, which counts in another way.
        }
    }

    [UnsafeAccessor(UnsafeAccessorKind.StaticField, Name = "_totalCount")]
    private static extern ref long Total(Tensor? type);
}
