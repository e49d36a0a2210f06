using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A noisy activation over a whole tensor as one node of torch's graph.</summary>
/// <remarks>
/// The noise is that of the composed path, bit for bit; results are the same for every number of threads and vector width.
/// Tanh and sigmoid themselves are one node already, torch's own, and stay so: a soft drop-in changes no number. The gradient
/// cannot be differentiated once more; the composed path's can.
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
        NoiseStream? draws = context.Mode == NoiseMode.Sample ? context.Key.At(context.Update, context.TimeStep) : null;
        var kernel = new ActivationKernel(spec, c, draws, NoiseModes.Constant(spec, context.Mode), FusedEngine.Width);
        return ActivationFunction.Of(x, p, new ActivationCall(kernel, FusedEngine.Threads))[0];
    }
}

/// <summary>What a pass is besides tensors.</summary>
internal sealed record ActivationCall(ActivationKernel Kernel, int Threads) : FusedCall;

/// <summary>The function with its gradient. Arguments: x, p, call.</summary>
internal sealed unsafe class ActivationFunction : FusedFunction<ActivationFunction, ActivationCall>
{
    protected override int Tensors => 2;

    protected override List<Tensor> Results(ActivationCall call, FusedOperands operands) => [empty(operands.Tensor(0)!.shape)];

    protected override IDisposable? Forward(ActivationCall call, FusedOperands operands, List<Tensor> results)
    {
        call.Kernel.Forward(operands.At(0), operands.At(1), FusedEngine.Pointer(results[0]), results[0].numel(), Units(operands), call.Threads);
        return null;
    }

    protected override void Backward(ActivationCall call, FusedOperands operands, Tensor?[] above)
    {
        using var unwanted = operands.Wants(0) ? null : empty(operands.Tensor(0)!.shape);
        var below = unwanted is null ? operands.Gradient(0) : FusedEngine.Pointer(unwanted);
        call.Kernel.Backward(
            operands.At(0), operands.At(1), FusedEngine.Pointer(above[0]), below, operands.Target(1), above[0]!.numel(), Units(operands), call.Threads);
    }

    private static int Units(FusedOperands operands) => operands.Tensor(1) is { } p ? checked((int)p.numel()) : 1;
}
