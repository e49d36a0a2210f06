using System.Runtime.Intrinsics.X86;
using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Linear layers over many rows by the engine's products, on processors where these are faster than libtorch's; else libtorch's.</summary>
internal static unsafe class FusedLinear
{
    // Fewer rows do not pay for packing the weights, and a smaller product not for a call.
    private const long LeastRows = 32, LeastProducts = 2_000_000;

    /// <summary>For tests, on their own thread: every product that the engine can make is its own, on every processor.</summary>
    [field: ThreadStatic]
    internal static bool Always { get; set; }

    /// <summary>For tests: called when the engine makes a product.</summary>
    internal static Action? Made { get; set; }

    /// <summary>Whether the engine's products are faster here than libtorch's, which are MKL's. On a Zen 5, whose units are 512 bits wide, a profile
    /// shows MKL's kernel of 256; that is the one processor where the two were compared at this width.</summary>
    /// <remarks>This depends on what .NET finds in the processor and on no setting of this library, so that its vector widths have the same bits.</remarks>
    private static bool IsFaster { get; } = VectorWidths.Best == VectorWidth.Bits512 && IsZen5OrLater();

    /// <summary>x Wᵀ + b, as a node of torch's graph.</summary>
    /// <param name="input">[.., I].</param>
    /// <param name="weight">[O, I].</param>
    /// <param name="bias">[O]; null for none.</param>
    /// <param name="backend">Composed takes libtorch's.</param>
    /// <returns>[.., O]; owned by the caller.</returns>
    internal static Tensor Apply(Tensor input, Tensor weight, Tensor? bias, Backend backend) =>
        backend == Backend.Auto && Takes(input, weight, bias)
            ? LinearFunction.Apply(input, weight, bias, new LinearCall())[0]
            : nn.functional.linear(input, weight, bias);

    /// <summary>x Wᵀ + b alone.</summary>
    /// <param name="input">[.., I].</param>
    /// <param name="weight">[O, I].</param>
    /// <param name="bias">[O]; null for none.</param>
    /// <returns>[.., O], in the current scope.</returns>
    internal static Tensor Product(Tensor input, Tensor weight, Tensor? bias)
    {
        if (!Takes(input, weight, bias)) return nn.functional.linear(input, weight, bias);
        Made?.Invoke();
        var (rows, inputs, outputs) = Sizes(input, weight);
        var result = FusedEngine.Empty([.. input.shape[..^1], outputs]);
        var packed = Kernel.Pack(FusedEngine.Pointer(weight.contiguous()), inputs, outputs, inputs, FusedEngine.Threads);
        Kernel.Forward(
            packed.Start, FusedEngine.Pointer(input.contiguous()), rows, outputs, inputs, FusedEngine.Pointer(bias?.contiguous()), 0,
            FusedEngine.Pointer(result), FusedEngine.Threads);
        BufferPool.Return(packed);
        return result;
    }

    /// <summary>Gradient in x: g W for each row.</summary>
    /// <param name="upstream">[R, O].</param>
    /// <param name="weight">[O, I].</param>
    /// <returns>[R, I], in the current scope.</returns>
    internal static Tensor InputGradient(Tensor upstream, Tensor weight)
    {
        if (!Takes(upstream.shape[0], weight.shape[1], weight.shape[0], upstream, weight)) return upstream.mm(weight);
        var result = FusedEngine.Empty(upstream.shape[0], weight.shape[1]);
        Back(upstream.contiguous(), weight, FusedEngine.Pointer(result));
        return result;
    }

    /// <summary>Gradient in W: Σ over the rows of g xᵀ.</summary>
    /// <param name="upstream">[R, O].</param>
    /// <param name="input">[R, I].</param>
    /// <returns>[O, I], in the current scope.</returns>
    internal static Tensor WeightGradient(Tensor upstream, Tensor input)
    {
        var (rows, inputs, outputs) = (input.shape[0], input.shape[1], upstream.shape[1]);
        if (!Takes(rows, inputs, outputs, upstream, input)) return upstream.t().mm(input);
        Made?.Invoke();
        var result = FusedEngine.Empty(outputs, inputs);
        Kernel.GradWeight(
            FusedEngine.Pointer(upstream.contiguous()), FusedEngine.Pointer(input.contiguous()), (int)rows, (int)outputs, (int)inputs,
            new GradientTarget { At = FusedEngine.Pointer(result) }, default, FusedEngine.Threads);
        return result;
    }

    private static LinearKernel Kernel => LinearKernel.Create(FusedEngine.Width);

    private static void Back(Tensor upstream, Tensor weight, float* gradient)
    {
        var (rows, outputs, inputs) = ((int)(upstream.numel() / upstream.shape[^1]), (int)weight.shape[0], (int)weight.shape[1]);
        var packed = Kernel.PackBack(FusedEngine.Pointer(weight.contiguous()), inputs, outputs, inputs, FusedEngine.Threads);
        Kernel.Back(packed.Start, FusedEngine.Pointer(upstream), rows, outputs, inputs, gradient, FusedEngine.Threads);
        BufferPool.Return(packed);
    }

    /// <summary>Whether a product of these sizes is worth the engine's while.</summary>
    /// <param name="isFaster">Whether the engine's products are the faster ones.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="inputs">Inputs.</param>
    /// <param name="outputs">Outputs.</param>
    internal static bool Pays(bool isFaster, long rows, long inputs, long outputs) =>
        isFaster && rows >= LeastRows && (double)rows * inputs * outputs >= LeastProducts;

    private static bool Takes(Tensor input, Tensor weight, Tensor? bias) =>
        input.dim() > 1 && weight.dim() == 2 && input.shape[^1] == weight.shape[1] && weight.shape[1] > 0
        && (bias is null || (bias.numel() == weight.shape[0] && FusedEngine.Takes(bias)))
        && Takes(input.numel() / input.shape[^1], weight.shape[1], weight.shape[0], input, weight);

    /// <summary>Whether a product is made by the engine. Where it is not, what does not fit together is libtorch's to tell.</summary>
    private static bool Takes(long rows, long inputs, long outputs, Tensor first, Tensor second) =>
        (Always ? rows > 0 && inputs > 0 && outputs > 0 : Pays(IsFaster, rows, inputs, outputs))
        && FusedEngine.Takes(first) && FusedEngine.Takes(second) && !first.is_sparse && !second.is_sparse
        && FusedEngine.Fits(rows, Math.Max(inputs, outputs)) && FusedEngine.Fits(inputs, outputs);

    private static (int Rows, int Inputs, int Outputs) Sizes(Tensor input, Tensor weight) =>
        ((int)(input.numel() / input.shape[^1]), (int)weight.shape[1], (int)weight.shape[0]);

    private static bool IsZen5OrLater()
    {
        if (!X86Base.IsSupported) return false;
        var (_, b, c, d) = X86Base.CpuId(0, 0);
        if ((b, d, c) != (0x68747541, 0x69746E65, 0x444D4163)) return false; // AuthenticAMD
        var version = X86Base.CpuId(1, 0).Eax;
        return ((version >> 8) & 0xF) + ((version >> 20) & 0xFF) >= 0x1A; // family
    }

    private sealed record LinearCall : FusedCall;

    /// <summary>The function with its gradient. Arguments: input, weight, bias, call.</summary>
    private sealed class LinearFunction : FusedFunction<LinearFunction, LinearCall>
    {
        protected override List<Tensor> Forward(LinearCall call, FusedOperands operands) =>
            [Product(operands.Tensor(0)!, operands.Tensor(1)!, operands.Tensor(2))];

        protected override void Backward(LinearCall call, FusedOperands operands, Tensor?[] upstream)
        {
            var (rows, inputs, outputs) = Sizes(operands.Tensor(0)!, operands.Tensor(1)!);
            if (operands.RequiresGrad[0]) Back(upstream[0]!, operands.Tensor(1)!, operands.Gradient(0));
            Kernel.GradWeight(
                FusedEngine.Pointer(upstream[0]), operands.At(0), rows, outputs, inputs, operands.Target(1), operands.Target(2), FusedEngine.Threads);
        }

        protected override List<Tensor> Compose(LinearCall call, Tensor?[] operands) => [nn.functional.linear(operands[0]!, operands[1]!, operands[2])];
    }
}
