using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A cell's recurrent weights, packed once for all time steps of a sequence, in each direction when its first step comes.</summary>
/// <param name="weight">[G H, H].</param>
internal sealed unsafe class StepWeights(Tensor weight)
{
    private readonly PackedWeights forward = new(weight), back = new(weight);

    /// <summary>What <see cref="RecurrentKernel.Step"/> takes.</summary>
    internal float* Forward(RecurrentKernel kernel, int hidden, int threads) => forward.Of(kernel, from => kernel.PackStep(from, hidden, threads));

    /// <summary>What <see cref="RecurrentKernel.StepBack"/> takes. A backward pass follows the forward steps, so their weights are freed.</summary>
    internal float* Back(RecurrentKernel kernel, int hidden, int threads)
    {
        forward.Free();
        return back.Of(kernel, from => kernel.PackStepBack(from, hidden, threads));
    }

    /// <summary>Frees the weights of the forward pass.</summary>
    internal void FreeForward() => forward.Free();

    /// <summary>Frees the weights of the backward pass.</summary>
    internal void FreeBack() => back.Free();
}
