using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A cell's recurrent weights, packed once for all time steps of a sequence, in each direction when its first step comes.</summary>
/// <remarks>Weights that were changed in between are packed again, and so are those of a kernel of another vector width.</remarks>
/// <param name="weight">[G H, H].</param>
internal sealed unsafe class StepWeights(Tensor weight)
{
    private NativeBuffer? forward, back;
    private (nint At, uint? Version, Type Kernel) forwardOf, backOf;

    /// <summary>What <see cref="RecurrentKernel.Step"/> takes.</summary>
    internal float* Forward(RecurrentKernel kernel, int hidden, int threads)
    {
        var now = State(kernel);
        if (forward is null || now.Version is null || now != forwardOf)
        {
            FreeForward();
            forward = kernel.PackStep(FusedEngine.Pointer(weight), hidden, threads);
            forwardOf = now;
        }

        return forward.Start;
    }

    /// <summary>What <see cref="RecurrentKernel.StepBack"/> takes.</summary>
    internal float* Back(RecurrentKernel kernel, int hidden, int threads)
    {
        var now = State(kernel);
        if (back is null || now.Version is null || now != backOf)
        {
            FreeBack();
            back = kernel.PackStepBack(FusedEngine.Pointer(weight), hidden, threads);
            backOf = now;
        }

        return back.Start;
    }

    /// <summary>Frees the weights of the forward pass.</summary>
    internal void FreeForward() => Free(ref forward);

    /// <summary>Frees the weights of the backward pass.</summary>
    internal void FreeBack() => Free(ref back);

    private static void Free(ref NativeBuffer? buffer)
    {
        if (Interlocked.Exchange(ref buffer, null) is { } owned) BufferPool.Return(owned);
    }

    private (nint At, uint? Version, Type Kernel) State(RecurrentKernel kernel) => ((nint)FusedEngine.Pointer(weight), TorchInternals.Version(weight), kernel.GetType());
}
