using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>One layer in one direction through the fused engine, as one node of torch's graph.</summary>
internal static class FusedRecurrent
{
    /// <summary>Runs the layer.</summary>
    /// <param name="kind">Which recurrence.</param>
    /// <param name="sites">Activations of the cell: the sigmoid's first, the tanh's third.</param>
    /// <param name="w">The layer's weights.</param>
    /// <param name="x">[T, B, I].</param>
    /// <param name="start">Initial states [B, H]; null starts from zeros.</param>
    /// <param name="backwards">Whether time runs from T − 1 down to 0.</param>
    /// <param name="context">The layer's context.</param>
    /// <returns>Output [T, B, H] and final states [B, H], owned by the caller.</returns>
    internal static (Tensor Output, Tensor[] End) Run(
        RecurrentCellKind kind, IReadOnlyList<NoisyActivationSpec> sites, RecurrentWeights w, Tensor x, Tensor[]? start, bool backwards, NoiseContext context)
    {
        var kernel = RecurrentKernel.Create(kind, sites[0], sites[2], context.Scale, FusedEngine.Width);
        var size = new RecurrentSize((int)x.shape[0], (int)x.shape[1], (int)x.shape[2], (int)w.WeightHh.shape[1], backwards);
        var constants = context.Mode == NoiseMode.Sample ? null : sites.Select(s => NoiseModes.Constant(s, context.Mode)).ToArray();
        var noise = new RecurrentNoise(context.Key, context.Update, context.TimeStep, constants);
        var call = new RecurrentCall(kernel, size, noise, sites.Select(s => s.UsesP && s.LearnP).ToArray(), FusedEngine.Threads, kind == RecurrentCellKind.Lstm ? 2 : 1);
        var result = RecurrentFunction.Apply(
            x, w.WeightIh, w.WeightHh, w.BiasIh, w.BiasHh, w.P, start?[0], start is { Length: > 1 } ? start[1] : null, call);
        return (result[0], [.. result.Skip(1)]);
    }
}

/// <summary>What a layer's pass is besides tensors.</summary>
internal sealed record RecurrentCall(RecurrentKernel Kernel, RecurrentSize Size, RecurrentNoise Noise, bool[] LearnsGain, int Threads, int States)
{
    /// <summary>Memory of the forward pass; its backward pass gives it back.</summary>
    internal RecurrentTape? Tape { get; set; }

    /// <summary>Which arguments have a gradient.</summary>
    internal bool[] Wants { get; set; } = [];

    /// <summary>Places for the gradients of the parameters that have one, by number of the argument.</summary>
    internal GradientSlot?[] Slots { get; set; } = [];
}

/// <summary>The layer as a function with a gradient.</summary>
/// <remarks>
/// Arguments: input, weight_ih, weight_hh, bias_ih, bias_hh, p, hidden, cell, call. A second backward pass over the same graph
/// runs the forward pass again, which draws the same noise.
/// </remarks>
internal sealed unsafe class RecurrentFunction : autograd.MultiTensorFunction<RecurrentFunction>
{
    private const int Tensors = 8, Gains = 5;

    // torch switches gradients off inside forward(); what the caller had is noted on the way in.
    [ThreadStatic]
    private static bool recording;

    public override string Name => nameof(RecurrentFunction);

    internal static List<Tensor> Apply(params object?[] vars)
    {
        recording = is_grad_enabled();
        return apply(vars!);
    }

    public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (RecurrentCall)vars[Tensors];
        var given = vars.Take(Tensors).Select(v => v as Tensor).ToArray();
        var size = call.Size;
        using var scope = NewDisposeScope();
        var tensors = given.Select(t => t?.contiguous()).ToArray();
        var results = new List<Tensor> { empty([size.Steps, size.Batch, size.Hidden]) };
        for (var s = 0; s < call.States; s++) results.Add(empty([size.Batch, size.Hidden]));
        var tape = Forward(call, tensors, results);
        if (AnyGradient(given))
        {
            call.Tape = tape;
            call.Wants = [.. given.Select(t => t is { requires_grad: true })]; // of what was given: a copy of it made here has none
            call.Slots = [.. given.Select((t, i) => call.Wants[i] ? GradientSlot.Of(t) : null)];
            ctx.save_for_backward([.. tensors.Select((t, i) => ReferenceEquals(t, given[i]) ? t : t?.MoveToOuterDisposeScope())!]);
            ctx.set_materialize_grads(false);
            ctx.save_data("call", call);
        }
        else
        {
            tape.Dispose();
        }

        return [.. results.Select(r => r.MoveToOuterDisposeScope())];
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
    {
        var call = (RecurrentCall)ctx.get_data("call");
        using var scope = NewDisposeScope();
        var tensors = ctx.get_saved_variables().Select(t => t is null || t.IsInvalid ? null : t).ToArray();
        var above = grad_outputs.Select(g => g is null || g.IsInvalid ? null : g.contiguous()).ToArray();
        if (call.Tape is null or { IsDisposed: true })
        {
            var size = call.Size;
            var results = new List<Tensor> { empty([size.Steps, size.Batch, size.Hidden]), empty([size.Batch, size.Hidden]), empty([size.Batch, size.Hidden]) };
            call.Tape = Forward(call, tensors, results);
        }

        // A gain that is not learned at every site gets a tensor of its own, whose other rows can be cleared.
        if (call.LearnsGain.Contains(false)) call.Slots[Gains] = null;
        var wanted = tensors.Select((t, i) => call.Wants[i] && call.Slots[i]?.Live is null ? empty_like(t!) : null).ToArray();
        GradientTarget Target(int i) => call.Slots[i]?.Live?.Whole() ?? new GradientTarget { At = FusedEngine.Pointer(wanted[i]) };
        var grad = new RecurrentGradients
        {
            Output = FusedEngine.Pointer(above[0]),
            HiddenEnd = FusedEngine.Pointer(above[1]),
            CellEnd = above.Length > 2 ? FusedEngine.Pointer(above[2]) : null,
            Input = FusedEngine.Pointer(wanted[0]),
            WeightIh = Target(1),
            WeightHh = Target(2),
            BiasIh = Target(3),
            BiasHh = Target(4),
            Gains = Target(Gains),
            Hidden = FusedEngine.Pointer(wanted[6]),
            Cell = FusedEngine.Pointer(wanted[7]),
        };
        call.Kernel.Backward(call.Tape, Inputs(tensors), grad, call.Threads);
        call.Tape.Dispose();
        if (wanted[Gains] is { } sums)
        {
            for (var site = 0; site < call.LearnsGain.Length; site++)
            {
                if (!call.LearnsGain[site]) sums.select(0, site).zero_();
            }
        }

        return [.. wanted.Select(w => w?.MoveToOuterDisposeScope()!), null!];
    }

    private static bool AnyGradient(Tensor?[] given) => given.Any(t => t is { requires_grad: true }) && recording;

    private static RecurrentTape Forward(RecurrentCall call, Tensor?[] tensors, List<Tensor> results)
    {
        var y = new RecurrentOutputs
        {
            Output = FusedEngine.Pointer(results[0]),
            Hidden = FusedEngine.Pointer(results[1]),
            Cell = call.States > 1 ? FusedEngine.Pointer(results[2]) : null,
        };
        return call.Kernel.Forward(call.Size, Inputs(tensors), call.Noise, y, call.Threads);
    }

    private static RecurrentInputs Inputs(Tensor?[] tensors) => new()
    {
        Input = FusedEngine.Pointer(tensors[0]),
        WeightIh = FusedEngine.Pointer(tensors[1]),
        WeightHh = FusedEngine.Pointer(tensors[2]),
        BiasIh = FusedEngine.Pointer(tensors[3]),
        BiasHh = FusedEngine.Pointer(tensors[4]),
        Gains = FusedEngine.Pointer(tensors[5]),
        Hidden = FusedEngine.Pointer(tensors[6]),
        Cell = FusedEngine.Pointer(tensors[7]),
    };
}
