using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The gates of a single time step, noise included, as one node of torch's graph.</summary>
/// <remarks>The noise is that of the composed backend, bit for bit; results are the same for every number of threads and vector
/// width.</remarks>
internal static class FusedStep
{
    /// <summary>Whether this can be done here.</summary>
    internal static bool Takes(NoiseMode mode, Tensor? gains, Tensor projected, Tensor[] state) =>
        mode != NoiseMode.ExactMean && projected.numel() > 0 && FusedEngine.Takes(projected) && state.All(FusedEngine.Takes)
        && (gains is null || FusedEngine.Takes(gains));

    /// <summary>Takes the step.</summary>
    /// <param name="cell">The cell; it reads its last output.</param>
    /// <param name="fromInput">Product with the input, bias added, [B, G H].</param>
    /// <param name="fromState">Product with the last output, bias added, [B, G H].</param>
    /// <param name="gains">Gap gains [sites, H]; null if there are none.</param>
    /// <param name="carried">The state that the gates read beside the products, [B, H]: the last one of the cell, an LSTM's c, a GRU's h.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>States after the step [B, H], owned by the caller.</returns>
    internal static Tensor[] Run(RecurrentCell cell, Tensor fromInput, Tensor fromState, Tensor? gains, Tensor carried, NoiseContext context)
    {
        var kernel = RecurrentKernel.Create(cell, context.Scale, FusedEngine.Width);
        var call = new StepCall(kernel, cell.Noise(context), FusedEngine.Threads, cell, context);
        return [.. StepFunction.Apply(fromInput, fromState, gains, carried, call)];
    }

    /// <summary>What a step is besides tensors.</summary>
    private sealed record StepCall(RecurrentKernel Kernel, RecurrentNoise Noise, int Threads, RecurrentCell Cell, NoiseContext Context) : FusedCall;

    /// <summary>The step as a function with a gradient. Arguments: product with the input, product with the last output, p, carried
    /// state, call.</summary>
    private sealed unsafe class StepFunction : FusedFunction<StepFunction, StepCall>
    {
        private const int FromInput = 0, FromState = 1, Gains = 2, Carried = 3;

        protected override List<Tensor> Forward(StepCall call, FusedOperands operands)
        {
            var shape = operands.Shape(Carried)!;
            List<Tensor> results = [.. Enumerable.Range(0, call.Cell.Layout.States).Select(_ => empty(shape))];
            var x = new StepInputs
            {
                FromInput = operands.At(FromInput), FromState = operands.At(FromState), Gains = operands.At(Gains), Carried = operands.At(Carried),
            };
            var y = new RecurrentOutputs { Output = FusedEngine.Pointer(results[0]), Cell = results.Count > 1 ? FusedEngine.Pointer(results[1]) : null };
            call.Tape = call.Kernel.Step((int)shape[0], (int)shape[1], x, call.Noise, y, call.Threads);
            return results;
        }

        protected override void Backward(StepCall call, FusedOperands operands, Tensor?[] upstream)
        {
            operands.HasGains(Gains, call.Cell.LearnedGains());
            var grad = new StepGradients
            {
                Hidden = FusedEngine.Pointer(upstream[0]),
                Cell = upstream.Length > 1 ? FusedEngine.Pointer(upstream[1]) : null,
                FromInput = operands.Gradient(FromInput),
                FromState = operands.Gradient(FromState),
                Carried = operands.Gradient(Carried),
                Gains = operands.Target(Gains),
            };
            call.Kernel.StepBack((RecurrentTape)call.Tape!, grad, call.Threads);
        }

        protected override List<Tensor> Compose(StepCall call, Tensor?[] operands)
        {
            var carried = operands[Carried]!;
            return [.. call.Cell.Step(operands[FromInput]!, _ => operands[FromState]!, [carried, carried], Activate)]; // the first is read through FromState

            Tensor Activate(int site, Tensor pre)
            {
                var spec = call.Cell.Sites[site];
                var p = !spec.UsesP ? null : spec.LearnP ? operands[Gains]!.select(0, site) : operands[Gains]!.select(0, site).detach();
                return SiteActivation.Apply(spec, pre, p, call.Context.Child((uint)site), Backend.Composed);
            }
        }
    }
}
