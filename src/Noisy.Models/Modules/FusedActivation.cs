using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A noisy activation over a whole tensor as one node of torch's graph.</summary>
/// <remarks>
/// The noise is that of the composed backend, bit for bit; results are the same for every number of threads and vector width.
/// Tanh and sigmoid themselves are one node already, torch's own, and stay so: a soft drop-in changes no number.
/// </remarks>
internal static class FusedActivation
{
    /// <summary>Whether this can be done here.</summary>
    internal static bool Takes(NoisyActivationSpec spec, Tensor x, Tensor? p, NoiseMode mode) =>
        !spec.UseSoft && mode != NoiseMode.ExactMean && FusedEngine.Takes(x) && (p is null || FusedEngine.Takes(p)) && x.numel() > 0;

    /// <summary>Applies the activation.</summary>
    /// <param name="spec">The activation; valid.</param>
    /// <param name="x">Pre-activation, rows of as many units as p has.</param>
    /// <param name="p">Gap gains; null if the activation has none.</param>
    /// <param name="c">Noise scale, ≥ 0.</param>
    /// <param name="context">Mode, key, update and time step.</param>
    /// <returns>φ, of x's shape; owned by the caller.</returns>
    internal static Tensor Apply(NoisyActivationSpec spec, Tensor x, Tensor? p, double c, NoiseContext context)
    {
        var kernel = new ActivationKernel(spec, c, context.Draws, NoiseModes.Constant(spec, context.Mode), FusedEngine.Width);
        return ActivationFunction.Apply(x, p, new ActivationCall(kernel, FusedEngine.Threads, spec, context with { Scale = c }))[0];
    }
}

/// <summary>What a pass is besides tensors.</summary>
internal sealed record ActivationCall(ActivationKernel Kernel, int Threads, NoisyActivationSpec Spec, NoiseContext Context) : FusedCall;

/// <summary>The function with its gradient. Arguments: x, p, call.</summary>
internal sealed unsafe class ActivationFunction : FusedFunction<ActivationFunction, ActivationCall>
{
    protected override List<Tensor> Forward(ActivationCall call, FusedOperands operands)
    {
        var result = FusedEngine.Empty(operands.Shape(0)!);
        call.Kernel.Forward(operands.At(0), operands.At(1), FusedEngine.Pointer(result), result.numel(), Units(operands), call.Threads);
        return [result];
    }

    protected override void Backward(ActivationCall call, FusedOperands operands, Tensor?[] upstream)
    {
        using var unused = operands.RequiresGrad[0] ? null : FusedEngine.Empty(operands.Shape(0)!);
        var x = unused is null ? operands.Gradient(0) : FusedEngine.Pointer(unused);
        call.Kernel.Backward(
            operands.At(0), operands.At(1), FusedEngine.Pointer(upstream[0]), x, operands.Target(1), upstream[0]!.numel(), Units(operands), call.Threads);
    }

    protected override List<Tensor> Compose(ActivationCall call, Tensor?[] operands) =>
        [SiteActivation.Apply(call.Spec, operands[0]!, operands[1], call.Context, Backend.Composed)];

    private static int Units(FusedOperands operands) => operands.Tensor(1) is { } p ? checked((int)p.numel()) : 1;
}
