using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A cell's recurrent weights, packed once for all time steps of a sequence, in each direction when its first step comes.</summary>
/// <remarks>Weights that were changed in between are packed again, and so are those of a kernel of another vector width.</remarks>
/// <param name="weight">[G H, H].</param>
internal sealed unsafe class StepWeights(Tensor weight)
{
    private readonly Packed forward = new(), back = new();

    /// <summary>What <see cref="RecurrentKernel.Step"/> takes.</summary>
    internal float* Forward(RecurrentKernel kernel, int hidden, int threads) =>
        forward.Of(State(kernel), () => kernel.PackStep(FusedEngine.Pointer(weight), hidden, threads));

    /// <summary>What <see cref="RecurrentKernel.StepBack"/> takes. A backward pass follows the forward steps, so their weights are freed.</summary>
    internal float* Back(RecurrentKernel kernel, int hidden, int threads)
    {
        forward.Free();
        return back.Of(State(kernel), () => kernel.PackStepBack(FusedEngine.Pointer(weight), hidden, threads));
    }

    /// <summary>Frees the weights of the forward pass.</summary>
    internal void FreeForward() => forward.Free();

    /// <summary>Frees the weights of the backward pass.</summary>
    internal void FreeBack() => back.Free();

    private PackedOf State(RecurrentKernel kernel) => new((nint)FusedEngine.Pointer(weight), TorchInternals.Version(weight), kernel.GetType());

    /// <summary>What was packed: where the weights lie, how often they were changed (null if that is not known), and for which kernel.</summary>
    private readonly record struct PackedOf(nint At, uint? Version, Type Kernel);

    /// <summary>The weights packed in one direction.</summary>
    private sealed class Packed
    {
        private NativeBuffer? buffer;
        private PackedOf of;

        internal float* Of(PackedOf now, Func<NativeBuffer> pack)
        {
            if (buffer is null || now.Version is null || now != of)
            {
                Free();
                buffer = pack();
                of = now;
            }

            return buffer.Start;
        }

        internal void Free()
        {
            if (Interlocked.Exchange(ref buffer, null) is { } owned) BufferPool.Return(owned);
        }
    }
}
