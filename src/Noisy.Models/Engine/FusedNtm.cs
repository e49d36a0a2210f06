using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A Neural Turing Machine through the fused engine, as one node of torch's graph.</summary>
internal static class FusedNtm
{
    /// <summary>Names of the tensors that a pass takes after the input, in the order of its arguments.</summary>
    internal static readonly string[] Names =
    [
        "weight_ih", "weight_hh", "bias", "p", "head_weight", "head_bias", "output_weight", "output_bias",
        "start_memory", "start_attention", "start_read", "start_hidden", "start_cell",
    ];

    /// <summary>Runs the machine.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="cell">The controller's cell.</param>
    /// <param name="find">Parameter or buffer by name; null if there is none.</param>
    /// <param name="x">[T, B, I].</param>
    /// <param name="context">The machine's context.</param>
    /// <returns>Logits [T, B, O].</returns>
    internal static Tensor Run(NtmShape shape, RecurrentCell cell, Func<string, Tensor?> find, Tensor x, NoiseContext context)
    {
        var (sigmoid, tanh) = (cell.Sites[0], cell.Sites[cell.Kind == RecurrentCellKind.Lstm ? 2 : 0]);
        var kernel = NtmKernel.Create(cell.Kind, sigmoid, tanh, context.Scale, FusedEngine.Width);
        var size = new NtmSize(
            (int)x.shape[0], (int)x.shape[1], shape.Inputs, shape.Outputs, shape.Hidden, shape.MemoryRows, shape.MemoryWidth, shape.ReadHeads, shape.WriteHeads);
        var constants = context.Mode == NoiseMode.Sample ? null : cell.Sites.Select(s => NoiseModes.Constant(s, context.Mode)).ToArray();
        var noise = new RecurrentNoise(context.Key, context.Update, context.TimeStep, constants);
        var call = new NtmCall(kernel, size, noise, cell.Sites.Select(s => s.UsesP && s.LearnP).ToArray(), FusedEngine.Threads);
        return NtmFunction.Apply([x, .. Names.Select(name => name == "start_attention" ? find(name)!.softmax(1) : find(name)), call]);
    }
}

/// <summary>What a machine's pass is besides tensors.</summary>
internal sealed record NtmCall(NtmKernel Kernel, NtmSize Size, RecurrentNoise Noise, bool[] LearnsGain, int Threads)
{
    /// <summary>Memory of the forward pass; its backward pass gives it back.</summary>
    internal NtmTape? Tape { get; set; }

    /// <summary>Which arguments have a gradient.</summary>
    internal bool[] Wants { get; set; } = [];

    /// <summary>Places for the gradients of the parameters that have one, by number of the argument.</summary>
    internal GradientSlot?[] Slots { get; set; } = [];
}

/// <summary>The machine as a function with a gradient. Arguments: input, those that <see cref="FusedNtm.Names"/> names, call.</summary>
/// <remarks>A second backward pass over the same graph runs the forward pass again, which draws the same noise.</remarks>
internal sealed unsafe class NtmFunction : autograd.SingleTensorFunction<NtmFunction>
{
    private const int Tensors = 14, Gains = 4;

    // torch switches gradients off inside forward(); what the caller had is noted on the way in.
    [ThreadStatic]
    private static bool recording;

    public override string Name => nameof(NtmFunction);

    internal static Tensor Apply(params object?[] vars)
    {
        recording = is_grad_enabled();
        return apply(vars!);
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (NtmCall)vars[Tensors];
        var given = vars.Take(Tensors).Select(v => v as Tensor).ToArray();
        using var scope = NewDisposeScope();
        var tensors = given.Select(t => t?.contiguous()).ToArray();
        var logits = empty([call.Size.Steps, call.Size.Batch, call.Size.Outputs]);
        var tape = call.Kernel.Forward(call.Size, Inputs(tensors), call.Noise, FusedEngine.Pointer(logits), call.Threads);
        if (recording && given.Any(t => t is { requires_grad: true }))
        {
            call.Tape = tape;
            call.Wants = [.. given.Select(t => t is { requires_grad: true })];
            call.Slots = [.. given.Select((t, i) => call.Wants[i] ? GradientSlot.Of(t) : null)];
            ctx.save_for_backward([.. tensors.Select((t, i) => ReferenceEquals(t, given[i]) ? t : t?.MoveToOuterDisposeScope())!]);
            ctx.save_data("call", call);
        }
        else
        {
            tape.Dispose();
        }

        return logits.MoveToOuterDisposeScope();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var call = (NtmCall)ctx.get_data("call");
        using var scope = NewDisposeScope();
        var tensors = ctx.get_saved_variables().Select(t => t is null || t.IsInvalid ? null : t).ToArray();
        var inputs = Inputs(tensors);
        if (call.Tape is null or { IsDisposed: true })
        {
            var logits = empty([call.Size.Steps, call.Size.Batch, call.Size.Outputs]);
            call.Tape = call.Kernel.Forward(call.Size, inputs, call.Noise, FusedEngine.Pointer(logits), call.Threads);
        }

        // A gain that is not learned at every site gets a tensor of its own, whose other rows can be cleared.
        if (call.LearnsGain.Contains(false)) call.Slots[Gains] = null;
        var wanted = tensors.Select((t, i) => call.Wants[i] && call.Slots[i]?.Live is null ? empty_like(t!) : null).ToArray();
        GradientTarget Target(int i) => call.Slots[i]?.Live?.Whole() ?? new GradientTarget { At = FusedEngine.Pointer(wanted[i]) };
        using var above = grad_output.contiguous();
        var grad = new NtmGradients
        {
            Logits = FusedEngine.Pointer(above),
            Input = FusedEngine.Pointer(wanted[0]),
            WeightIh = Target(1),
            WeightHh = Target(2),
            Bias = Target(3),
            Gains = Target(Gains),
            HeadWeight = Target(5),
            HeadBias = Target(6),
            OutputWeight = Target(7),
            OutputBias = Target(8),
            Memory = Target(9),
            Attention = Target(10),
            Reads = Target(11),
            Hidden = Target(12),
            Cell = Target(13),
        };
        call.Kernel.Backward(call.Tape, inputs, grad, call.Threads);
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

    private static NtmInputs Inputs(Tensor?[] tensors) => new()
    {
        Input = FusedEngine.Pointer(tensors[0]),
        WeightIh = FusedEngine.Pointer(tensors[1]),
        WeightHh = FusedEngine.Pointer(tensors[2]),
        Bias = FusedEngine.Pointer(tensors[3]),
        Gains = FusedEngine.Pointer(tensors[Gains]),
        HeadWeight = FusedEngine.Pointer(tensors[5]),
        HeadBias = FusedEngine.Pointer(tensors[6]),
        OutputWeight = FusedEngine.Pointer(tensors[7]),
        OutputBias = FusedEngine.Pointer(tensors[8]),
        Memory = FusedEngine.Pointer(tensors[9]),
        Attention = FusedEngine.Pointer(tensors[10]),
        Reads = FusedEngine.Pointer(tensors[11]),
        Hidden = FusedEngine.Pointer(tensors[12]),
        Cell = FusedEngine.Pointer(tensors[13]),
    };
}
