using System.Runtime.InteropServices;
using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Settings of the fused engine, one for the process.</summary>
public static class FusedEngine
{
    /// <summary>Name of the fused backend in summaries.</summary>
    public const string FusedName = "fused-cpu";

    /// <summary>Name of the composed backend in summaries.</summary>
    public const string ComposedName = "composed";

    /// <summary>What modules that are made from now on run on, until their own <c>Backend</c> is set.</summary>
    public static Backend Default { get; set; }

    /// <summary>Vector width of all fused layers; default the best of this machine. Every width gives the same bits.</summary>
    public static VectorWidth Width { get; set; } = VectorWidth.Auto;

    /// <summary>Threads of the fused layers: as many as torch uses, <c>torch.set_num_threads</c>.</summary>
    public static int Threads => Math.Max(1, get_num_threads());

    /// <summary>Whether this thread's passes run on torch's operations, whatever the modules say: while a pass is being observed.</summary>
    [field: ThreadStatic]
    internal static bool Composing { get; set; }

    /// <summary>Whether a tensor can go through the fused engine: single precision on the CPU, less than 2 GiB.</summary>
    internal static bool Takes(Tensor tensor) =>
        !Composing && tensor.device.type == DeviceType.CPU && tensor.dtype == ScalarType.Float32 && Fits(tensor.numel());

    /// <summary>Whether single-precision numbers of a shape are less than 2 GiB: spans count bytes in 32 bits, and kernels numbers. Larger tensors go
    /// through torch's operations.</summary>
    internal static bool Fits(params ReadOnlySpan<long> shape)
    {
        var numbers = 1.0; // beyond 2^53 not exact, and far too many
        foreach (var size in shape) numbers *= size;
        return numbers <= int.MaxValue / sizeof(float);
    }

    /// <summary>Whether the engine can write into a tensor where it is: a parameter, a gradient, a running value.</summary>
    internal static bool TakesInPlace(Tensor tensor) =>
        !tensor.IsInvalid && !tensor.is_sparse && Takes(tensor) && tensor.is_contiguous() && !TorchInternals.IsInference(tensor);

    /// <summary>A new tensor for the engine to fill: single precision on the CPU, whatever torch's default type is.</summary>
    internal static Tensor Empty(params long[] shape) => empty(shape, ScalarType.Float32, CPU);

    /// <summary>The same, of zeros.</summary>
    internal static Tensor Zeros(params long[] shape) => zeros(shape, ScalarType.Float32, CPU);

    /// <summary>The address of a contiguous tensor's first float; null for no tensor or an empty one.</summary>
    /// <exception cref="InvalidOperationException">It has 2 GiB or more: the caller should have gone through torch.</exception>
    internal static unsafe float* Pointer(Tensor? tensor)
    {
        if (tensor is null || tensor.IsInvalid || tensor.numel() == 0) return null;
        if (!Fits(tensor.numel()))
        {
            throw new InvalidOperationException(
                $"a tensor [{string.Join(", ", tensor.shape)}] has 2 GiB or more, which the fused engine cannot hold: set the module's Backend to Composed, "
                + "or pass smaller batches");
        }

        return (float*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes));
    }
}
