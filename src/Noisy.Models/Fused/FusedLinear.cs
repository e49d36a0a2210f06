using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A linear layer over many rows as one node of torch's graph, and its parts for who has a node of his own.</summary>
internal static unsafe class FusedLinear
{
    // With fewer rows libtorch's product is as fast: packing costs as much as a few rows.
    private const long LeastRows = 48;

    /// <summary>Whether this can be done here, and is worth it.</summary>
    /// <param name="input">[.., I].</param>
    /// <param name="weight">[O, I].</param>
    /// <param name="bias">[O]; null for none.</param>
    internal static bool Takes(Tensor input, Tensor weight, Tensor? bias) =>
        input.dim() > 1 && input.numel() >= LeastRows * input.shape[^1] && input.numel() > 0
        && FusedEngine.Takes(input) && FusedEngine.Takes(weight) && (bias is null || FusedEngine.Takes(bias));

    /// <summary>x Wᵀ + b.</summary>
    /// <param name="input">[.., I].</param>
    /// <param name="weight">[O, I].</param>
    /// <param name="bias">[O]; null for none.</param>
    /// <param name="backend">Composed takes libtorch's.</param>
    /// <returns>[.., O]; owned by the caller.</returns>
    internal static Tensor Apply(Tensor input, Tensor weight, Tensor? bias, Backend backend) =>
        backend == Backend.Auto && Takes(input, weight, bias)
            ? LinearFunction.Apply(input, weight, bias, new LinearCall(FusedEngine.Width, FusedEngine.Threads))[0]
            : nn.functional.linear(input, weight, bias);

    /// <summary>The product alone.</summary>
    /// <param name="input">[.., I], contiguous.</param>
    /// <param name="weight">[O, I], contiguous.</param>
    /// <param name="bias">[O], contiguous; null for none.</param>
    /// <param name="width">Vector width.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    /// <returns>[.., O], in the current scope.</returns>
    internal static Tensor Forward(Tensor input, Tensor weight, Tensor? bias, VectorWidth width, int threads)
    {
        var result = empty([.. input.shape[..^1], weight.shape[0]]);
        DenseKernel.Create(width).Forward(
            Size(input, weight), FusedEngine.Pointer(input), FusedEngine.Pointer(weight), FusedEngine.Pointer(bias), FusedEngine.Pointer(result), threads);
        return result;
    }

    /// <summary>Sizes of the layer.</summary>
    internal static DenseDimensions Size(Tensor input, Tensor weight) =>
        new(checked((int)(input.numel() / input.shape[^1])), checked((int)weight.shape[1]), checked((int)weight.shape[0]));

    private sealed record LinearCall(VectorWidth Width, int Threads) : FusedCall;

    /// <summary>The function with its gradient. Arguments: input, weight, bias, call.</summary>
    private sealed class LinearFunction : FusedFunction<LinearFunction, LinearCall>
    {
        protected override List<Tensor> Forward(LinearCall call, FusedOperands operands) =>
            [FusedLinear.Forward(operands.Tensor(0)!, operands.Tensor(1)!, operands.Tensor(2), call.Width, call.Threads)];

        protected override void Backward(LinearCall call, FusedOperands operands, Tensor?[] upstream) =>
            DenseKernel.Create(call.Width).Backward(
                Size(operands.Tensor(0)!, operands.Tensor(1)!), operands.At(0), operands.At(1), FusedEngine.Pointer(upstream[0]),
                operands.Gradient(0), operands.Target(1), operands.Target(2), call.Threads);

        protected override List<Tensor> Compose(LinearCall call, Tensor?[] operands) => [nn.functional.linear(operands[0]!, operands[1]!, operands[2])];
    }
}
