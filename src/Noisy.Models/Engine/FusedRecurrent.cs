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
        var result = RecurrentFunction.Of(
            x, w.WeightIh, w.WeightHh, w.BiasIh, w.BiasHh, w.P, start?[0], start is { Length: > 1 } ? start[1] : null, call);
        return (result[0], [.. result.Skip(1)]);
    }
}

/// <summary>What a layer's pass is besides tensors.</summary>
internal sealed record RecurrentCall(RecurrentKernel Kernel, RecurrentSize Size, RecurrentNoise Noise, bool[] LearnsGain, int Threads, int States) : FusedCall;

/// <summary>The layer as a function with a gradient. Arguments: input, weight_ih, weight_hh, bias_ih, bias_hh, p, hidden, cell, call.</summary>
internal sealed unsafe class RecurrentFunction : FusedFunction<RecurrentFunction, RecurrentCall>
{
    private const int Gains = 5;

    protected override int Tensors => 8;

    protected override List<Tensor> Results(RecurrentCall call, FusedOperands operands) =>
        [empty([call.Size.Steps, call.Size.Batch, call.Size.Hidden]), .. Enumerable.Range(0, call.States).Select(_ => empty([call.Size.Batch, call.Size.Hidden]))];

    protected override IDisposable Forward(RecurrentCall call, FusedOperands operands, List<Tensor> results)
    {
        var y = new RecurrentOutputs
        {
            Output = FusedEngine.Pointer(results[0]),
            Hidden = FusedEngine.Pointer(results[1]),
            Cell = call.States > 1 ? FusedEngine.Pointer(results[2]) : null,
        };
        return call.Kernel.Forward(call.Size, Inputs(operands), call.Noise, y, call.Threads);
    }

    protected override void Backward(RecurrentCall call, FusedOperands operands, Tensor?[] above)
    {
        operands.HasGains(Gains, call.LearnsGain);
        var grad = new RecurrentGradients
        {
            Output = FusedEngine.Pointer(above[0]),
            HiddenEnd = FusedEngine.Pointer(above[1]),
            CellEnd = above.Length > 2 ? FusedEngine.Pointer(above[2]) : null,
            Input = operands.Gradient(0),
            WeightIh = operands.Target(1),
            WeightHh = operands.Target(2),
            BiasIh = operands.Target(3),
            BiasHh = operands.Target(4),
            Gains = operands.Target(Gains),
            Hidden = operands.Gradient(6),
            Cell = operands.Gradient(7),
        };
        call.Kernel.Backward((RecurrentTape)call.Tape!, Inputs(operands), grad, call.Threads);
    }

    private static RecurrentInputs Inputs(FusedOperands operands) => new()
    {
        Input = operands.At(0),
        WeightIh = operands.At(1),
        WeightHh = operands.At(2),
        BiasIh = operands.At(3),
        BiasHh = operands.At(4),
        Gains = operands.At(Gains),
        Hidden = operands.At(6),
        Cell = operands.At(7),
    };
}
