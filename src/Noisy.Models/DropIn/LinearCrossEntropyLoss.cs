using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>An output layer and <c>nn.CrossEntropyLoss</c> in one, from the values before the layer: for many classes.</summary>
/// <remarks>
/// <para><c>criterion.call(linear.call(x), targets)</c> becomes <c>criterion.call(x, targets)</c>, with the same value and the same gradients but
/// for rounding. The layer stays the model's: this module has no parameters of its own. On the CPU in single precision logits never
/// become a tensor (<see cref="LinearCrossEntropy"/>); elsewhere it is composed of torch's operations.</para>
/// <para>There are no class weights and no label smoothing: for these keep torch's.</para>
/// </remarks>
public sealed class LinearCrossEntropyLoss : Loss<Tensor, Tensor, Tensor>
{
    private readonly Linear linear;

    /// <summary>Creates the loss.</summary>
    /// <param name="linear">The layer whose output would be the logits [.., V]; its weights are read at each call.</param>
    /// <param name="ignore_index">The target that leaves its example out; default −100, as in torch.</param>
    /// <param name="reduction">Mean over the targets that are not left out (NaN if all are), sum, or none, which runs on torch's operations.</param>
    public LinearCrossEntropyLoss(Linear linear, long? ignore_index = null, nn.Reduction reduction = nn.Reduction.Mean)
        : base(reduction)
    {
        ArgumentNullException.ThrowIfNull(linear);
        this.linear = linear;
        this.ignore_index = ignore_index;
    }

    /// <summary>The target that leaves its example out; null for −100.</summary>
    public long? ignore_index { get; }

    /// <summary>Computes the loss.</summary>
    /// <param name="input">What the layer would take: [.., H], classes being its last dimension's.</param>
    /// <param name="target">[..], int64 or uint8 as in torch, each in [0, V) or the target that is ignored.</param>
    /// <returns>Nats: a scalar, or [..] without a reduction; differentiable in input, weight and bias; owned by the caller.</returns>
    /// <exception cref="ArgumentException">Shapes do not fit, or a target is no class.</exception>
    /// <exception cref="InvalidOperationException">The layer has hooks, which would not run.</exception>
    public override Tensor forward(Tensor input, Tensor target)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(target);
        if (ModuleHooks.Count(linear) > 0)
        {
            throw new InvalidOperationException(
                "the linear layer has hooks, which this loss would pass by: remove them, or keep torch's cross_entropy of its output");
        }

        if (input.dim() == 0 || input.shape[^1] != linear.weight.shape[1] || !target.shape.AsSpan().SequenceEqual(input.shape.AsSpan()[..^1]))
        {
            throw new ArgumentException(
                $"input is {Operand.Shape(input)}, target {Operand.Shape(target)}: must be [.., {linear.weight.shape[1]}] and [..], the same leading sizes",
                nameof(target));
        }

        var ignored = ignore_index ?? LinearCrossEntropy.IgnoreIndex;
        using var rows = input.reshape(-1, input.shape[^1]);
        using var given = target.reshape(-1);
        using var flat = given.dtype == ScalarType.Byte ? given.to_type(ScalarType.Int64) : given.alias();
        if (reduction != nn.Reduction.None)
            return LinearCrossEntropy.Reduced(rows, linear.weight, linear.bias, flat, Backend.Auto, ignored, reduction == nn.Reduction.Mean);
        using var logits = F.linear(rows, linear.weight, linear.bias);
        using var each = F.cross_entropy(logits, flat, ignore_index: ignored, reduction: nn.Reduction.None);
        return each.reshape(target.shape);
    }
}
