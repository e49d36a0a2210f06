using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>A linear map that time steps use one after the other; the gradients in its weights are made for all of them in one
/// product.</summary>
/// <remarks>Without <see cref="Tensor.requires_grad"/> of the weights, or with gradients off, it is torch's own. The first step, which may remain the only
/// one, and many steps in one call are one product of <see cref="FusedLinear"/>'s; a later step alone takes weights that are packed once for all of
/// them.</remarks>
internal sealed unsafe class StepLinear : IDisposable
{
    private readonly SharedOverSteps? shared;
    private readonly Action? afterBackward;
    private readonly bool packs;
    private readonly long outputs;
    private readonly PackedWeights forward, back;
    private readonly List<(Tensor Input, Tensor Upstream)> steps = [];

    /// <summary>Makes the map.</summary>
    /// <param name="weight">[O, I].</param>
    /// <param name="bias">[O]; null for none.</param>
    /// <param name="backend">Composed takes torch's own.</param>
    /// <param name="afterBackward">Called when the gradients of all steps are made.</param>
    internal StepLinear(Tensor weight, Tensor? bias, Backend backend, Action? afterBackward = null)
    {
        (this.afterBackward, outputs) = (afterBackward, weight.shape[0]);
        (forward, back) = (new(weight), new(weight));
        packs = weight.is_contiguous() && FusedEngine.Takes(weight) && (bias is null || (bias.is_contiguous() && FusedEngine.Takes(bias)));
        shared = backend == Backend.Composed ? null : SharedOverSteps.Create([weight, bias], Gradients);
        (Weight, Bias) = shared is null ? (weight, bias) : (shared.Values[0]!, shared.Values[1]);
    }

    /// <summary>The weight as steps are to take it as an argument.</summary>
    internal Tensor Weight { get; }

    /// <summary>Likewise the bias; null for none.</summary>
    internal Tensor? Bias { get; }

    /// <summary>x Wᵀ + b for one time step or several.</summary>
    /// <param name="input">[.., I].</param>
    /// <returns>[.., O]; owned by the caller.</returns>
    internal Tensor Apply(Tensor input)
    {
        if (shared is null) return F.linear(input, Weight, Bias);
        var number = NextNumber();
        var takes = packs && number > 0 && input.dim() == 2 && input.numel() > 0 && FusedEngine.Takes(input);
        var kernel = takes && FusedEngine.Fits(input.shape[0], outputs) ? LinearKernel.Create(FusedEngine.Width) : null;
        return StepLinearFunction.Apply(input, Weight, Bias, new StepCall(this, number, kernel, FusedEngine.Threads))[0];
    }

    /// <summary>The number of a step that is being made.</summary>
    internal int NextNumber() => shared?.NextNumber() ?? 0;

    /// <summary>Leaves what a step's backward pass has for the gradients in weight and bias.</summary>
    /// <param name="number">The step's number.</param>
    /// <param name="input">[.., I].</param>
    /// <param name="upstream">Gradient in the result, [.., O].</param>
    internal void Leave(int number, Tensor input, Tensor upstream)
    {
        if (shared!.BeginsAnew(number)) Forget();
        steps.Add((input.detach().DetachFromDisposeScope(), upstream.detach().DetachFromDisposeScope()));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        shared?.Dispose();
        forward.Free();
    }

    private Tensor?[] Gradients()
    {
        afterBackward?.Invoke();
        back.Free();
        if (steps.Count == 0) return [null, null];
        using var scope = NewDisposeScope();
        var upstream = Rows(steps.Select(s => s.Upstream));
        var weight = shared!.RequiresGrad[0] ? FusedLinear.WeightGradient(upstream, Rows(steps.Select(s => s.Input))).MoveToOuterDisposeScope() : null;
        var bias = shared.RequiresGrad[1] ? upstream.sum([0]).MoveToOuterDisposeScope() : null;
        Forget();
        return [weight, bias];
    }

    private void Forget()
    {
        foreach (var kept in steps.SelectMany(s => new[] { s.Input, s.Upstream })) kept.Dispose();
        steps.Clear();
    }

    /// <summary>The rows of all steps, one below the other.</summary>
    private static Tensor Rows(IEnumerable<Tensor> parts)
    {
        Tensor[] rows = [.. parts.Select(part => part.reshape(-1, part.shape[^1]))];
        return rows.Length == 1 ? rows[0] : cat(rows, 0);
    }

    /// <summary>What a step is besides tensors; without a kernel its products are those of <see cref="FusedLinear"/>.</summary>
    private sealed record StepCall(StepLinear Map, int Number, LinearKernel? Kernel, int Threads) : FusedCall;

    /// <summary>A time step. Arguments: input, weight, bias, call.</summary>
    private sealed class StepLinearFunction : FusedFunction<StepLinearFunction, StepCall>
    {
        protected override List<Tensor> Forward(StepCall call, FusedOperands operands)
        {
            if (call.Kernel is not { } kernel) return [FusedLinear.Product(operands.Tensor(0)!, operands.Tensor(1)!, operands.Tensor(2))];
            var (rows, outputs, inputs) = Sizes(operands);
            var packed = call.Map.forward.Of(kernel, from => kernel.Pack(from, inputs, outputs, inputs, call.Threads));
            var result = FusedEngine.Empty(rows, outputs);
            kernel.Forward(packed, operands.At(0), rows, outputs, inputs, operands.At(2), 0, FusedEngine.Pointer(result), call.Threads);
            return [result];
        }

        protected override void Backward(StepCall call, FusedOperands operands, Tensor?[] upstream)
        {
            call.Map.Leave(call.Number, operands.Tensor(0)!, upstream[0]!);
            if (!operands.RequiresGrad[0]) return;
            if (call.Kernel is not { } kernel)
            {
                operands.Give(0, FusedLinear.InputGradient(upstream[0]!.reshape(-1, upstream[0]!.shape[^1]), operands.Tensor(1)!).reshape(operands.Shape(0)!));
                return;
            }

            call.Map.forward.Free();
            var (rows, outputs, inputs) = Sizes(operands);
            var packed = call.Map.back.Of(kernel, from => kernel.PackBack(from, inputs, outputs, inputs, call.Threads));
            kernel.Back(packed, FusedEngine.Pointer(upstream[0]), rows, outputs, inputs, operands.Gradient(0), call.Threads);
        }

        protected override List<Tensor> Compose(StepCall call, Tensor?[] operands) => [F.linear(operands[0]!, operands[1]!, operands[2])];

        private static (int Rows, int Outputs, int Inputs) Sizes(FusedOperands operands) =>
            ((int)operands.Shape(0)![0], (int)operands.Shape(1)![0], (int)operands.Shape(1)![1]);
    }
}
