using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>One layer in one direction through the fused engine, as one node of torch's graph.</summary>
internal static class FusedRecurrent
{
    /// <summary>Runs the layer.</summary>
    /// <param name="cell">The cell.</param>
    /// <param name="w">The layer's weights.</param>
    /// <param name="x">[T, B, I].</param>
    /// <param name="start">Initial states [B, H]; null starts from zeros.</param>
    /// <param name="backwards">Whether time runs from T − 1 down to 0.</param>
    /// <param name="context">The layer's context.</param>
    /// <returns>Output [T, B, H] and final states [B, H], owned by the caller.</returns>
    internal static (Tensor Output, Tensor[] End) Run(
        RecurrentCell cell, RecurrentWeights w, Tensor x, Tensor[]? start, bool backwards, NoiseContext context)
    {
        var kernel = RecurrentKernel.Create(cell, context.Scale, FusedEngine.Width);
        var size = new RecurrentDimensions((int)x.shape[0], (int)x.shape[1], (int)x.shape[2], (int)w.WeightHh.shape[1], backwards);
        var call = new RecurrentCall(kernel, size, cell.Noise(context), FusedEngine.Threads, cell, context);
        var result = RecurrentFunction.Apply(
            x, w.WeightIh, w.WeightHh, w.BiasIh, w.BiasHh, w.P, start?[0], start is { Length: > 1 } ? start[1] : null, call);
        return (result[0], [.. result.Skip(1)]);
    }
}

/// <summary>What a layer's pass is besides tensors.</summary>
internal sealed record RecurrentCall(
    RecurrentKernel Kernel, RecurrentDimensions Size, RecurrentNoise Noise, int Threads, RecurrentCell Cell, NoiseContext Context) : FusedCall;

/// <summary>The layer as a function with a gradient. Arguments: input, weight_ih, weight_hh, bias_ih, bias_hh, p, hidden, cell, call.</summary>
internal sealed unsafe class RecurrentFunction : FusedFunction<RecurrentFunction, RecurrentCall>
{
    private const int Gains = 5, Hidden = 6, Cell = 7;

    protected override List<Tensor> Forward(RecurrentCall call, FusedOperands operands)
    {
        var size = call.Size;
        List<Tensor> results = [FusedEngine.Empty([size.Steps, size.Batch, size.Hidden]), .. Enumerable.Range(0, call.Cell.Layout.States).Select(_ => FusedEngine.Empty([size.Batch, size.Hidden]))];
        var y = new RecurrentOutputs
        {
            Output = FusedEngine.Pointer(results[0]),
            Hidden = FusedEngine.Pointer(results[1]),
            Cell = results.Count > 2 ? FusedEngine.Pointer(results[2]) : null,
        };
        call.Tape = call.Kernel.Forward(size, Inputs(operands), call.Noise, y, call.Threads);
        return results;
    }

    protected override void Backward(RecurrentCall call, FusedOperands operands, Tensor?[] upstream)
    {
        operands.HasGains(Gains, call.Cell.LearnedGains());
        var grad = new RecurrentGradients
        {
            Output = FusedEngine.Pointer(upstream[0]),
            HiddenEnd = FusedEngine.Pointer(upstream[1]),
            CellEnd = upstream.Length > 2 ? FusedEngine.Pointer(upstream[2]) : null,
            Input = operands.Gradient(0),
            WeightIh = operands.Target(1),
            WeightHh = operands.Target(2),
            BiasIh = operands.Target(3),
            BiasHh = operands.Target(4),
            Gains = operands.Target(Gains),
            Hidden = operands.Gradient(Hidden),
            Cell = operands.Gradient(Cell),
        };
        call.Kernel.Backward((RecurrentTape)call.Tape!, Inputs(operands), grad, call.Threads);
    }

    protected override List<Tensor> Compose(RecurrentCall call, Tensor?[] operands)
    {
        var w = new RecurrentWeights(operands[1]!, operands[2]!, operands[3], operands[4], operands[Gains]);
        Tensor[] start = [.. Enumerable.Range(Hidden, call.Cell.Layout.States).Select(i => operands[i] ?? FusedEngine.Zeros(call.Size.Batch, call.Size.Hidden))];
        var (output, end) = call.Cell.Run(w, operands[0]!, start, call.Size.Backwards, call.Context);
        return [output, .. end];
    }

    private static RecurrentInputs Inputs(FusedOperands operands) => new()
    {
        Input = operands.At(0),
        WeightIh = operands.At(1),
        WeightHh = operands.At(2),
        BiasIh = operands.At(3),
        BiasHh = operands.At(4),
        Gains = operands.At(Gains),
        Hidden = operands.At(Hidden),
        Cell = operands.At(Cell),
    };
}
