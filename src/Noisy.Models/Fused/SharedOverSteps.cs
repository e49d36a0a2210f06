using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>
/// Values that every time step of a model uses, weights above all, and their gradients. torch's graph would make the whole
/// gradient at each step and add it to the sum so far; here steps leave what they have, and the gradient is made once, when the
/// last of them is done.
/// </summary>
/// <remarks>
/// Steps take <see cref="Values"/> as arguments and give no gradient for them. torch runs the backward pass of the one node behind
/// them after that of every step that a loss depends on, however the steps hang together, and there the gradients are made. Where a
/// graph of the gradients is made, steps give theirs to torch, which adds them up.
/// </remarks>
internal sealed class SharedOverSteps
{
    private readonly Func<Tensor?[]> gradients;
    private int made, last = int.MaxValue, pass = -1;

    private SharedOverSteps(bool[] requiresGrad, Func<Tensor?[]> gradients) => (RequiresGrad, this.gradients) = (requiresGrad, gradients);

    /// <summary>The values, as steps are to take them.</summary>
    internal Tensor?[] Values { get; private set; } = [];

    /// <summary>Which of them have a gradient.</summary>
    internal bool[] RequiresGrad { get; }

    /// <summary>Frees the values; after the forward pass, and before the backward pass or after it.</summary>
    internal void Dispose()
    {
        foreach (var value in Values) value?.Dispose();
    }

    /// <summary>The number of a step that is being made.</summary>
    internal int NextNumber() => made++;

    /// <summary>Tells that a step's backward pass runs.</summary>
    /// <param name="number">Its number. torch takes later nodes before earlier ones.</param>
    /// <returns>Whether another backward pass begins. The last one did not come to this node if it made other gradients only: what its
    /// steps have left is to be forgotten.</returns>
    /// <remarks>Where torch does not tell which pass is running, the numbers do; by them, two passes, over the later steps and then over the
    /// earlier ones, are one.</remarks>
    internal bool BeginsAnew(int number)
    {
        var current = TorchInternals.CurrentPass;
        var anew = number >= last || current != pass;
        (last, pass) = (number, current);
        return anew;
    }

    /// <summary>Puts the node before some values.</summary>
    /// <param name="values">The values; some may be null.</param>
    /// <param name="gradients">Gives the gradient in each value, null for none, and forgets what it was made from; called in the scope
    /// that is to own them.</param>
    /// <returns>The node, or null if no gradient is recorded: steps then need none of this.</returns>
    internal static SharedOverSteps? Create(Tensor?[] values, Func<Tensor?[]> gradients)
    {
        if (!is_grad_enabled() || !values.Any(v => v is { requires_grad: true })) return null;
        var shared = new SharedOverSteps([.. values.Select(v => v is { requires_grad: true })], gradients);
        var passed = SharedFunction.Apply([.. values.Where(v => v is not null), new SharedCall(shared)]);
        var next = 0;
        shared.Values = [.. values.Select(v => v is null ? null : passed[next++])];
        return shared;
    }

    private sealed record SharedCall(SharedOverSteps Shared) : FusedCall;

    /// <summary>The node. Arguments: the values that there are, and what they are shared in.</summary>
    private sealed class SharedFunction : FusedFunction<SharedFunction, SharedCall>
    {
        protected override bool SavesOperands => false;

        protected override bool NeedsUpstream => false;

        protected override List<Tensor> Forward(SharedCall call, FusedOperands operands) =>
            [.. Enumerable.Range(0, operands.Count).Select(i => operands.Given(i).detach())];

        protected override void Backward(SharedCall call, FusedOperands operands, Tensor?[] upstream)
        {
            call.Shared.last = int.MaxValue;
            var left = call.Shared.gradients().Where((_, i) => call.Shared.Values[i] is not null).ToArray();
            for (var i = 0; i < left.Length; i++)
            {
                var (one, other) = (left[i], upstream[i]);
                operands.Give(i, one is not null && other is not null ? one.Plus(other) : one is not null ? one : other);
            }
        }

        protected override List<Tensor> Compose(SharedCall call, Tensor?[] operands) => throw new InvalidOperationException("nothing is computed here");

        protected override Tensor?[] Differentiable(SharedCall call, Tensor?[] operands, bool[] requiresGrad, Tensor?[] upstream) => upstream;
    }
}
