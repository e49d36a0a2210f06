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
    /// <param name="compose">The machine as tensor operations: input, and what <paramref name="find"/> gives, attention after its softmax.</param>
    /// <returns>Logits [T, B, O].</returns>
    internal static Tensor Run(
        NtmShape shape, RecurrentCell cell, Func<string, Tensor?> find, Tensor x, NoiseContext context, Func<Tensor, Func<string, Tensor?>, Tensor> compose)
    {
        var kernel = NtmKernel.Create(cell, context.Scale, FusedEngine.Width);
        var size = new NtmDimensions(
            (int)x.shape[0], (int)x.shape[1], shape.Inputs, shape.Outputs, shape.Hidden, shape.MemoryRows, shape.MemoryWidth, shape.ReadHeads, shape.WriteHeads);
        var call = new NtmCall(kernel, size, cell, cell.Noise(context), FusedEngine.Threads, compose);
        return NtmFunction.Apply([x, .. Names.Select(find), call])[0];
    }
}

/// <summary>What a machine's pass is besides tensors.</summary>
internal sealed record NtmCall(NtmKernel Kernel, NtmDimensions Size, RecurrentCell Cell, RecurrentNoise Noise, int Threads, Func<Tensor, Func<string, Tensor?>, Tensor> Compose) : FusedCall;

/// <summary>The machine as a function with a gradient. Arguments: input, those that <see cref="FusedNtm.Names"/> names, call.</summary>
internal sealed unsafe class NtmFunction : FusedFunction<NtmFunction, NtmCall>
{
    private const int Gains = 4;

    protected override List<Tensor> Forward(NtmCall call, FusedOperands operands)
    {
        var result = FusedEngine.Empty([call.Size.Steps, call.Size.Batch, call.Size.Outputs]);
        call.Tape = call.Kernel.Forward(call.Size, Inputs(operands), call.Noise, FusedEngine.Pointer(result), call.Threads);
        return [result];
    }

    protected override List<Tensor> Compose(NtmCall call, Tensor?[] operands) =>
        [call.Compose(operands[0]!, name => operands[1 + Array.IndexOf(FusedNtm.Names, name)])];

    protected override void Backward(NtmCall call, FusedOperands operands, Tensor?[] upstream)
    {
        operands.HasGains(Gains, call.Cell.LearnedGains());
        var grad = new NtmGradients
        {
            Logits = FusedEngine.Pointer(upstream[0]),
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
        call.Kernel.Backward((NtmTape)call.Tape!, Inputs(operands), grad, call.Threads);
    }

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
