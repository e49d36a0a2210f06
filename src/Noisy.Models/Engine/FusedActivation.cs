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
        return ActivationFunction.apply(FusedOperands.Note(x, p, new ActivationCall(kernel, FusedEngine.Threads)));
    }
}

/// <summary>What a pass is besides tensors.</summary>
internal sealed record ActivationCall(ActivationKernel Kernel, int Threads);

/// <summary>The function with its gradient. Arguments: x, p, call.</summary>
internal sealed unsafe class ActivationFunction : autograd.SingleTensorFunction<ActivationFunction>
{
    private const int Tensors = 2;

    public override string Name => nameof(ActivationFunction);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (ActivationCall)vars[Tensors];
        using var scope = NewDisposeScope();
        var operands = new FusedOperands(vars, Tensors);
        var y = empty(operands.Tensor(0)!.shape);
        call.Kernel.Forward(operands.At(0), operands.At(1), FusedEngine.Pointer(y), y.numel(), Units(operands), call.Threads);
        if (operands.AnyWanted)
        {
            operands.Save(ctx);
            ctx.save_data("call", call);
        }

        return y.MoveToOuterDisposeScope();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var call = (ActivationCall)ctx.get_data("call");
        using var scope = NewDisposeScope();
        var operands = FusedOperands.Of(ctx);
        var above = grad_output.contiguous();
        var below = empty(above.shape);
        call.Kernel.Backward(
            operands.At(0), operands.At(1), FusedEngine.Pointer(above), FusedEngine.Pointer(below), operands.Target(1), above.numel(), Units(operands),
            call.Threads);
        var gains = operands.Gradients()[1];
        return [operands.Wants(0) ? below.MoveToOuterDisposeScope() : null!, gains, null!];
    }

    private static int Units(FusedOperands operands) => operands.Tensor(1) is { } p ? checked((int)p.numel()) : 1;
}
