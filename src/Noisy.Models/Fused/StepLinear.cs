using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>A linear map that time steps use one after the other; the gradients in its weights are made for all of them in one
/// product.</summary>
/// <remarks>Without <see cref="Tensor.requires_grad"/> of the weights, or with gradients off, it is torch's own.</remarks>
internal sealed class StepLinear : IDisposable
{
    private readonly SharedOverSteps? shared;
    private readonly Action? afterBackward;
    private readonly List<(Tensor Input, Tensor Upstream)> steps = [];

    /// <summary>Makes the map.</summary>
    /// <param name="weight">[O, I].</param>
    /// <param name="bias">[O]; null for none.</param>
    /// <param name="backend">Composed takes torch's own.</param>
    /// <param name="afterBackward">Called when the gradients of all steps are made.</param>
    internal StepLinear(Tensor weight, Tensor? bias, Backend backend, Action? afterBackward = null)
    {
        this.afterBackward = afterBackward;
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
    internal Tensor Apply(Tensor input) => shared is null ? F.linear(input, Weight, Bias) : StepLinearFunction.Apply(input, Weight, Bias, new StepCall(this, NextNumber()))[0];

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
    public void Dispose() => shared?.Dispose();

    private Tensor?[] Gradients()
    {
        afterBackward?.Invoke();
        if (steps.Count == 0) return [null, null];
        using var scope = NewDisposeScope();
        var upstream = Rows(steps.Select(s => s.Upstream));
        var weight = shared!.RequiresGrad[0] ? upstream.t().mm(Rows(steps.Select(s => s.Input))).MoveToOuterDisposeScope() : null;
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

    private sealed record StepCall(StepLinear Map, int Number) : FusedCall;

    /// <summary>A time step. Arguments: input, weight, bias, call.</summary>
    private sealed class StepLinearFunction : FusedFunction<StepLinearFunction, StepCall>
    {
        protected override List<Tensor> Forward(StepCall call, FusedOperands operands) => Compose(call, [operands.Tensor(0), operands.Tensor(1), operands.Tensor(2)]);

        protected override void Backward(StepCall call, FusedOperands operands, Tensor?[] upstream)
        {
            call.Map.Leave(call.Number, operands.Tensor(0)!, upstream[0]!);
            if (operands.RequiresGrad[0]) operands.Give(0, upstream[0]!.matmul(operands.Tensor(1)!));
        }

        protected override List<Tensor> Compose(StepCall call, Tensor?[] operands) => [F.linear(operands[0]!, operands[1]!, operands[2])];
    }
}
