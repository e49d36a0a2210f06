using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>A linear layer, softmax and cross-entropy in one: for output layers with many classes.</summary>
/// <remarks>
/// On the CPU in single precision through the fused engine, which keeps one number for each example and class where torch
/// keeps three, and where examples that are left out cost nothing; elsewhere composed of torch's operations.
/// </remarks>
public static class LinearCrossEntropy
{
    /// <summary>A target that leaves its example out.</summary>
    public const long IgnoreIndex = -100;

    /// <summary>Sum over all examples of the negative log-likelihood of their targets.</summary>
    /// <param name="input">[N, H].</param>
    /// <param name="weight">[V, H].</param>
    /// <param name="bias">[V]; null for none.</param>
    /// <param name="targets">[N], int64, each in [0, V) or <see cref="IgnoreIndex"/>.</param>
    /// <param name="backend">Which implementation to run on.</param>
    /// <returns>A scalar in nats, differentiable in input, weight and bias; owned by the caller.</returns>
    /// <exception cref="ArgumentException">Shapes do not fit, or a target is no class.</exception>
    public static Tensor Sum(Tensor input, Tensor weight, Tensor? bias, Tensor targets, Backend backend = Backend.Auto) =>
        Run(input, weight, bias, targets, backend, details: false).Sum;

    /// <summary>Sum or mean of the negative log-likelihoods.</summary>
    /// <param name="input">[N, H].</param>
    /// <param name="weight">[V, H].</param>
    /// <param name="bias">[V]; null for none.</param>
    /// <param name="targets">[N], int64.</param>
    /// <param name="backend">Which implementation to run on.</param>
    /// <param name="ignoreIndex">The target that leaves its example out.</param>
    /// <param name="mean">Whether to divide by the number of examples that are not left out.</param>
    internal static Tensor Reduced(Tensor input, Tensor weight, Tensor? bias, Tensor targets, Backend backend, long ignoreIndex, bool mean) =>
        Run(input, weight, bias, targets, backend, details: false, ignoreIndex, mean).Sum;

    /// <summary>The same sum, what each example adds to it, and how many are predicted right: no class has a greater logit than the
    /// target.</summary>
    /// <param name="input">[N, H].</param>
    /// <param name="weight">[V, H].</param>
    /// <param name="bias">[V]; null for none.</param>
    /// <param name="targets">[N], int64, each in [0, V) or <see cref="IgnoreIndex"/>.</param>
    /// <param name="backend">Which implementation to run on.</param>
    /// <returns>A scalar in nats as <see cref="Sum"/> gives it; nats of each example [N], 0 where it is left out, without a gradient;
    /// and an int64 scalar; owned by the caller.</returns>
    /// <exception cref="ArgumentException">Shapes do not fit, or a target is no class.</exception>
    public static (Tensor Sum, Tensor Nats, Tensor Correct) Details(Tensor input, Tensor weight, Tensor? bias, Tensor targets, Backend backend = Backend.Auto)
    {
        var (sum, nats, correct) = Run(input, weight, bias, targets, backend, details: true);
        return (sum, nats!, correct!);
    }

    private static (Tensor Sum, Tensor? Nats, Tensor? Correct) Run(
        Tensor input, Tensor weight, Tensor? bias, Tensor targets, Backend backend, bool details, long ignoreIndex = IgnoreIndex, bool mean = false)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(weight);
        ArgumentNullException.ThrowIfNull(targets);
        if (input.dim() != 2 || weight.dim() != 2 || input.shape[1] != weight.shape[1])
            throw new ArgumentException($"input is [{string.Join(", ", input.shape)}], weight [{string.Join(", ", weight.shape)}]: must be [N, H] and [V, H]", nameof(input));
        if (bias is not null && !bias.shape.SequenceEqual([weight.shape[0]]))
            throw new ArgumentException($"bias is [{string.Join(", ", bias.shape)}]: must be [{weight.shape[0]}]", nameof(bias));
        if (!targets.shape.SequenceEqual([input.shape[0]]))
            throw new ArgumentException($"targets are [{string.Join(", ", targets.shape)}]: must be [{input.shape[0]}]", nameof(targets));
        if (targets.dtype != ScalarType.Int64) throw new ArgumentException($"targets are {targets.dtype}: must be Int64", nameof(targets));
        if (backend == Backend.Composed || !FusedEngine.Takes(input) || !FusedEngine.Takes(weight) || (bias is not null && !FusedEngine.Takes(bias))
            || input.numel() == 0 || !FusedEngine.Fits(2, targets.numel()))
        {
            using var logits = F.linear(input, weight, bias);
            if (!details) return (F.cross_entropy(logits, targets, ignore_index: ignoreIndex, reduction: mean ? nn.Reduction.Mean : nn.Reduction.Sum), null, null);
            using var each = F.cross_entropy(logits, targets, ignore_index: IgnoreIndex, reduction: nn.Reduction.None);
            return (each.sum(), each.detach(), Correct(logits, targets));
        }

        var classes = new int[targets.shape[0]];
        var classCount = weight.shape[0];
        using var near = targets.cpu();
        using var cpu = near.contiguous();
        var given = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(cpu.bytes);
        for (var i = 0; i < classes.Length; i++)
        {
            if (given[i] != ignoreIndex && (given[i] < 0 || given[i] >= classCount))
                throw new ArgumentException($"target {i} is {given[i]}: must be in [0, {classCount}) or {ignoreIndex}", nameof(targets));
            classes[i] = given[i] == ignoreIndex ? -1 : (int)given[i];
        }

        var scale = mean ? 1f / classes.Count(c => c >= 0) : 1;
        var call = new SoftmaxCall(classes, scale, FusedEngine.Width, FusedEngine.Threads);
        var sum = LinearCrossEntropyFunction.Apply(input, weight, bias, call)[0];
        return details ? (sum, tensor(call.Nats), tensor(call.Correct)) : (sum, null, null);
    }

    /// <summary>How many targets have the greatest logit of their row.</summary>
    private static Tensor Correct(Tensor logits, Tensor targets)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        using var zero = 0L.ToScalar();
        var own = logits.gather(1, targets.clamp_min(zero).unsqueeze(1)).squeeze(1);
        return own.eq(logits.amax([1])).logical_and(targets.ge(zero)).sum(ScalarType.Int64).MoveToOuterDisposeScope();
    }
}

/// <summary>What a pass is besides tensors.</summary>
/// <param name="Targets">Class of each example; negative where it is left out.</param>
/// <param name="Scale">What the sum is multiplied by.</param>
/// <param name="Width">Vector width.</param>
/// <param name="Threads">Threads.</param>
internal sealed record SoftmaxCall(int[] Targets, float Scale, VectorWidth Width, int Threads) : FusedCall
{
    /// <summary>How many targets have the greatest logit of their row; known after the forward pass.</summary>
    internal long Correct { get; set; }

    /// <summary>Nats of each example; known after the forward pass.</summary>
    internal float[] Nats { get; set; } = [];
}

/// <summary>The function with its gradient. Arguments: input, weight, bias, call.</summary>
internal sealed unsafe class LinearCrossEntropyFunction : FusedFunction<LinearCrossEntropyFunction, SoftmaxCall>
{
    protected override List<Tensor> Forward(SoftmaxCall call, FusedOperands operands)
    {
        var requires = operands.RequiresGrad;
        var tape = SoftmaxKernel.Create(call.Width).Forward(Inputs(operands), call.Targets, new SoftmaxRequiresGrad(requires[0], requires[1] || requires[2]), call.Threads);
        call.Tape = tape;
        call.Correct = tape.Right.Count(right => right);
        call.Nats = new float[call.Targets.Length];
        for (var i = 0; i < tape.Count; i++) call.Nats[tape.Kept[i]] = (float)tape.Losses[i];
        return [tensor((float)(tape.Losses.Sum() * call.Scale))];
    }

    protected override void Backward(SoftmaxCall call, FusedOperands operands, Tensor?[] upstream)
    {
        var grad = new SoftmaxGradients { Hidden = operands.Gradient(0), Weight = operands.Target(1), Bias = operands.Target(2) };
        SoftmaxKernel.Create(call.Width).Backward((SoftmaxTape)call.Tape!, Inputs(operands), *FusedEngine.Pointer(upstream[0]) * call.Scale, grad, call.Threads);
    }

    protected override List<Tensor> Compose(SoftmaxCall call, Tensor?[] operands)
    {
        var targets = tensor(call.Targets.Select(t => t < 0 ? LinearCrossEntropy.IgnoreIndex : t).ToArray());
        var sum = F.cross_entropy(
            F.linear(operands[0]!, operands[1]!, operands[2]), targets, ignore_index: LinearCrossEntropy.IgnoreIndex, reduction: nn.Reduction.Sum);
        return [call.Scale == 1 ? sum : sum.Times(call.Scale)];
    }

    private static SoftmaxInputs Inputs(FusedOperands operands) => new()
    {
        Hidden = operands.At(0),
        Weight = operands.At(1),
        Bias = operands.At(2),
        Rows = (int)operands.Shape(0)![0],
        Units = (int)operands.Shape(0)![1],
        Classes = (int)operands.Shape(1)![0],
    };
}
