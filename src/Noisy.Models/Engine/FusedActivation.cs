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
        return ActivationFunction.Apply(x, p, new ActivationCall(kernel, FusedEngine.Threads));
    }
}

/// <summary>What a pass is besides tensors.</summary>
internal sealed record ActivationCall(ActivationKernel Kernel, int Threads)
{
    internal bool[] Wants { get; set; } = [];

    internal GradientSlot? Slot { get; set; }
}

/// <summary>The function with its gradient. Arguments: x, p, call.</summary>
internal sealed unsafe class ActivationFunction : autograd.SingleTensorFunction<ActivationFunction>
{
    private const int Tensors = 2;

    // torch switches gradients off inside forward(); what the caller had is noted on the way in.
    [ThreadStatic]
    private static bool recording;

    public override string Name => nameof(ActivationFunction);

    internal static Tensor Apply(params object?[] vars)
    {
        recording = is_grad_enabled();
        return apply(vars!);
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (ActivationCall)vars[Tensors];
        var given = vars.Take(Tensors).Select(v => v as Tensor).ToArray();
        using var scope = NewDisposeScope();
        var tensors = given.Select(t => t?.contiguous()).ToArray();
        var y = empty(tensors[0]!.shape);
        call.Kernel.Forward(
            FusedEngine.Pointer(tensors[0]), FusedEngine.Pointer(tensors[1]), FusedEngine.Pointer(y), y.numel(), Units(tensors[1]), call.Threads);
        if (recording && given.Any(t => t is { requires_grad: true }))
        {
            call.Wants = [.. given.Select(t => t is { requires_grad: true })]; // of what was given: a copy of it made here has none
            call.Slot = call.Wants[1] ? GradientSlot.Of(given[1]) : null;
            ctx.save_for_backward([.. tensors.Select((t, i) => ReferenceEquals(t, given[i]) ? t : t?.MoveToOuterDisposeScope())!]);
            ctx.save_data("call", call);
        }

        return y.MoveToOuterDisposeScope();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var call = (ActivationCall)ctx.get_data("call");
        using var scope = NewDisposeScope();
        var tensors = ctx.get_saved_variables().Select(t => t is null || t.IsInvalid ? null : t).ToArray();
        var above = grad_output.contiguous();
        var below = empty(above.shape);
        var gains = call.Wants[1] && call.Slot?.Live is null ? empty_like(tensors[1]!) : null;
        call.Kernel.Backward(
            FusedEngine.Pointer(tensors[0]), FusedEngine.Pointer(tensors[1]), FusedEngine.Pointer(above), FusedEngine.Pointer(below),
            call.Slot?.Live?.Whole() ?? new GradientTarget { At = FusedEngine.Pointer(gains) }, above.numel(), Units(tensors[1]), call.Threads);
        return [call.Wants[0] ? below.MoveToOuterDisposeScope() : null!, gains?.MoveToOuterDisposeScope()!, null!];
    }

    private static int Units(Tensor? p) => p is null ? 1 : checked((int)p.numel());
}
