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
        return NtmFunction.apply(FusedOperands.Note([x, .. Names.Select(name => name == "start_attention" ? find(name)!.softmax(1) : find(name)), call]));
    }
}

/// <summary>What a machine's pass is besides tensors.</summary>
internal sealed record NtmCall(NtmKernel Kernel, NtmSize Size, RecurrentNoise Noise, bool[] LearnsGain, int Threads)
{
    /// <summary>Memory of the forward pass; its backward pass gives it back.</summary>
    internal NtmTape? Tape { get; set; }
}

/// <summary>The machine as a function with a gradient. Arguments: input, those that <see cref="FusedNtm.Names"/> names, call.</summary>
/// <remarks>A second backward pass over the same graph runs the forward pass again, which draws the same noise.</remarks>
internal sealed unsafe class NtmFunction : autograd.SingleTensorFunction<NtmFunction>
{
    private const int Tensors = 14, Gains = 4;

    public override string Name => nameof(NtmFunction);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (NtmCall)vars[Tensors];
        using var scope = NewDisposeScope();
        var operands = new FusedOperands(vars, Tensors);
        var logits = Logits(call);
        var tape = call.Kernel.Forward(call.Size, Inputs(operands), call.Noise, FusedEngine.Pointer(logits), call.Threads);
        if (operands.AnyWanted)
        {
            call.Tape = tape;
            operands.Save(ctx);
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
        var operands = FusedOperands.Of(ctx);
        operands.HasGains(Gains, call.LearnsGain);
        var inputs = Inputs(operands);
        if (call.Tape is null or { IsDisposed: true })
            call.Tape = call.Kernel.Forward(call.Size, inputs, call.Noise, FusedEngine.Pointer(Logits(call)), call.Threads);
        var grad = new NtmGradients
        {
            Logits = FusedEngine.Pointer(grad_output.contiguous()),
            Input = operands.Gradient(0),
            WeightIh = operands.Target(1),
            WeightHh = operands.Target(2),
            Bias = operands.Target(3),
            Gains = operands.Target(Gains),
            HeadWeight = operands.Target(5),
            HeadBias = operands.Target(6),
            OutputWeight = operands.Target(7),
            OutputBias = operands.Target(8),
            Memory = operands.Target(9),
            Attention = operands.Target(10),
            Reads = operands.Target(11),
            Hidden = operands.Target(12),
            Cell = operands.Target(13),
        };
        call.Kernel.Backward(call.Tape, inputs, grad, call.Threads);
        call.Tape.Dispose();
        return operands.Gradients();
    }

    private static Tensor Logits(NtmCall call) => empty([call.Size.Steps, call.Size.Batch, call.Size.Outputs]);

    private static NtmInputs Inputs(FusedOperands operands) => new()
    {
        Input = operands.At(0),
        WeightIh = operands.At(1),
        WeightHh = operands.At(2),
        Bias = operands.At(3),
        Gains = operands.At(Gains),
        HeadWeight = operands.At(5),
        HeadBias = operands.At(6),
        OutputWeight = operands.At(7),
        OutputBias = operands.At(8),
        Memory = operands.At(9),
        Attention = operands.At(10),
        Reads = operands.At(11),
        Hidden = operands.At(12),
        Cell = operands.At(13),
    };
}
