using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A single time step, recurrent product and noise included, as one node of torch's graph.</summary>
/// <remarks>The noise is that of the composed backend, bit for bit; results are the same for every number of threads and vector
/// width.</remarks>
internal static class FusedStep
{
    /// <summary>Whether a step can be done here whose product with the input is made already.</summary>
    internal static bool Takes(NoiseMode mode, RecurrentWeights w, Tensor projected, Tensor[]? state) =>
        mode != NoiseMode.ExactMean && projected.numel() > 0 && FusedEngine.Takes(projected) && (state is null || state.All(FusedEngine.Takes))
        && FusedEngine.Takes(w.WeightHh) && w.WeightHh.is_contiguous() && (w.BiasHh is null || FusedEngine.Takes(w.BiasHh)) && (w.P is null || FusedEngine.Takes(w.P));

    /// <summary>Whether a call of a cell can be done here, with both products.</summary>
    internal static bool TakesCall(NoiseMode mode, RecurrentWeights w, Tensor input, Tensor[]? state) =>
        Takes(mode, w, input, state) && FusedEngine.Takes(w.WeightIh) && (w.BiasIh is null || FusedEngine.Takes(w.BiasIh))
        && FusedEngine.Fits(input.shape[0], w.WeightHh.shape[1]);

    /// <summary>Takes the step.</summary>
    /// <param name="cell">The cell; it reads its last output.</param>
    /// <param name="fromState">The product with the last output, whose weight and bias are taken from here.</param>
    /// <param name="packed">The same weights, packed.</param>
    /// <param name="fromInput">Product with the input, bias added, [B, G H].</param>
    /// <param name="gains">Gap gains [sites, H]; null if there are none.</param>
    /// <param name="state">States before the step, each [B, H]; null stands for zeros.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>States after the step [B, H], owned by the caller.</returns>
    internal static Tensor[] Run(
        RecurrentCell cell, StepLinear fromState, StepWeights packed, Tensor fromInput, Tensor? gains, Tensor[]? state, NoiseContext context)
    {
        var kernel = RecurrentKernel.Create(cell, context.Scale, FusedEngine.Width);
        var call = new StepCall(kernel, cell.Noise(context), FusedEngine.Threads, cell, fromState, fromState.NextNumber(), packed, context);
        return [.. StepFunction.Apply(fromInput, state?[0], state is { Length: > 1 } ? state[1] : null, fromState.Weight, fromState.Bias, gains, call)];
    }

    /// <summary>What a step is besides tensors.</summary>
    private sealed record StepCall(
        RecurrentKernel Kernel, RecurrentNoise Noise, int Threads, RecurrentCell Cell, StepLinear FromState, int Number, StepWeights Packed, NoiseContext Context)
        : FusedCall;

    /// <summary>The step as a function with a gradient. Arguments: product with the input, hidden, cell, weight_hh, bias_hh, p, call. What the
    /// gradients in weight and bias are made of is left in <see cref="StepLinear"/>.</summary>
    private sealed unsafe class StepFunction : FusedFunction<StepFunction, StepCall>
    {
        private const int FromInput = 0, Hidden = 1, Cell = 2, WeightHh = 3, BiasHh = 4, Gains = 5;

        protected override List<Tensor> Forward(StepCall call, FusedOperands operands)
        {
            var (batch, hidden) = (operands.Shape(FromInput)![0], operands.Shape(WeightHh)![1]);
            List<Tensor> results = [.. Enumerable.Range(0, call.Cell.Layout.States).Select(_ => FusedEngine.Empty([batch, hidden]))];
            var x = new StepInputs
            {
                FromInput = operands.At(FromInput),
                PackedHh = operands.Tensor(Hidden) is null ? null : call.Packed.Forward(call.Kernel, (int)hidden, call.Threads),
                BiasHh = operands.At(BiasHh),
                Gains = operands.At(Gains),
                Hidden = operands.At(Hidden),
                Cell = operands.At(Cell),
            };
            var y = new RecurrentOutputs { Output = FusedEngine.Pointer(results[0]), Cell = results.Count > 1 ? FusedEngine.Pointer(results[1]) : null };
            call.Tape = call.Kernel.Step((int)batch, (int)hidden, x, call.Noise, y, call.Threads);
            return results;
        }

        protected override void Backward(StepCall call, FusedOperands operands, Tensor?[] upstream)
        {
            operands.HasGains(Gains, call.Cell.LearnedGains());
            var (shape, hidden) = (operands.Shape(FromInput)!, (int)operands.Shape(WeightHh)![1]);
            var (leaves, shares) = (operands.RequiresGrad[WeightHh] || operands.RequiresGrad[BiasHh], call.Cell.Layout.SharesBlocks);
            var fromInput = operands.RequiresGrad[FromInput] || (leaves && shares) ? FusedEngine.Empty(shape) : null;
            var fromState = !leaves ? null : shares ? fromInput : FusedEngine.Empty(shape);
            var grad = new StepGradients
            {
                HiddenEnd = FusedEngine.Pointer(upstream[0]),
                CellEnd = upstream.Length > 1 ? FusedEngine.Pointer(upstream[1]) : null,
                FromInput = FusedEngine.Pointer(fromInput),
                FromState = shares ? null : FusedEngine.Pointer(fromState),
                Hidden = operands.Gradient(Hidden),
                Cell = operands.Gradient(Cell),
                Gains = operands.Target(Gains),
            };
            var packed = operands.RequiresGrad[Hidden] ? call.Packed.Back(call.Kernel, hidden, call.Threads) : null;
            call.Kernel.StepBack((RecurrentTape)call.Tape!, packed, grad, call.Threads);
            if (operands.RequiresGrad[FromInput]) operands.Give(FromInput, fromInput);
            if (leaves) call.FromState.Leave(call.Number, operands.Tensor(Hidden) ?? FusedEngine.Zeros(shape[0], hidden), fromState!);
        }

        protected override List<Tensor> Compose(StepCall call, Tensor?[] operands)
        {
            var weight = operands[WeightHh]!;
            var none = operands[Hidden] is null ? FusedEngine.Zeros(operands[FromInput]!.shape[0], weight.shape[1]) : null;
            Tensor[] state = [.. Enumerable.Range(Hidden, call.Cell.Layout.States).Select(i => operands[i] ?? none!)];
            return [.. call.Cell.Step(operands[FromInput]!, h => nn.functional.linear(h, weight, operands[BiasHh]), state, Activate)];

            Tensor Activate(int site, Tensor pre) =>
                SiteActivation.Apply(call.Cell.Sites[site], pre, call.Cell.GainsOf(operands[Gains], site), call.Context.Child((uint)site), Backend.Composed);
        }
    }
}
