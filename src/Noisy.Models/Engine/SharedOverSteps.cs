using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>
/// Values that every time step of a model uses, weights above all, and their gradients. torch's graph would make the whole
/// gradient at each step and add it to the sum so far; here steps leave what they have, and the gradient is made once, when the
/// last of them is done.
/// </summary>
/// <remarks>
/// Steps take <see cref="Values"/> as arguments and give no gradient for them. torch calls the way back of the one node behind
/// them after that of every step that a loss depends on, however the steps hang together, and there the gradients are asked for.
/// </remarks>
internal sealed class SharedOverSteps
{
    private readonly Func<Tensor?[]> gradients;
    private int made, last = int.MaxValue;

    private SharedOverSteps(bool[] wants, Func<Tensor?[]> gradients) => (Wants, this.gradients) = (wants, gradients);

    /// <summary>The values, as steps are to take them.</summary>
    internal Tensor?[] Values { get; private set; } = [];

    /// <summary>Which of them have a gradient.</summary>
    internal bool[] Wants { get; }

    /// <summary>The number of a step that is being made.</summary>
    internal int NextNumber() => made++;

    /// <summary>Tells that a step goes back.</summary>
    /// <param name="number">Its number. torch goes back from later nodes to earlier ones.</param>
    /// <returns>Whether another way back began without the last one having come to this node, as one does that asks for other
    /// gradients only: what its steps have left is to be forgotten.</returns>
    internal bool BeginsAnew(int number)
    {
        var anew = number >= last;
        last = number;
        return anew;
    }

    /// <summary>Puts the node before some values.</summary>
    /// <param name="values">The values; some may be null.</param>
    /// <param name="gradients">Gives the gradient in each value, null for none, and forgets what it was made from; called in the scope
    /// that is to own them.</param>
    /// <returns>The node, or null if no gradient is recorded: steps then need none of this.</returns>
    internal static SharedOverSteps? Of(Tensor?[] values, Func<Tensor?[]> gradients)
    {
        if (!is_grad_enabled() || !values.Any(v => v is { requires_grad: true })) return null;
        var shared = new SharedOverSteps([.. values.Select(v => v is { requires_grad: true })], gradients);
        var passed = SharedFunction.apply([.. values.Where(v => v is not null), shared]);
        var next = 0;
        shared.Values = [.. values.Select(v => v is null ? null : passed[next++])];
        return shared;
    }

    /// <summary>The node. Arguments: the values, and what they are shared in.</summary>
    private sealed class SharedFunction : autograd.MultiTensorFunction<SharedFunction>
    {
        public override string Name => nameof(SharedOverSteps);

        public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
        {
            ctx.save_data("shared", vars[^1]);
            ctx.set_materialize_grads(false);
            return [.. vars[..^1].Select(v => ((Tensor)v).detach())];
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
        {
            var shared = (SharedOverSteps)ctx.get_data("shared");
            shared.last = int.MaxValue;
            return [.. shared.gradients().Where((_, i) => shared.Values[i] is not null).Select(g => g!), null!];
        }
    }
}
