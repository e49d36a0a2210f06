using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Steps of additive attention over the same annotations, one for each time step, as nodes of torch's graph; the gradients
/// in what all attention steps share are added up in place.</summary>
internal sealed unsafe class FusedAttention : IDisposable
{
    private const int Keys = 0, Annotations = 1, Score = 2, Gains = 3, Tensors = 6;

    private readonly NoisyActivationSpec spec;
    private readonly AttentionDimensions size;
    private readonly Tensor?[] given, values;
    private readonly Tensor? mask;
    private readonly SharedOverSteps? shared;

    // Sums over the steps, and the shapes that they end in.
    private readonly Tensor?[] sums = new Tensor?[4];
    private readonly long[]?[] shapes;

    private FusedAttention(NoisyActivationSpec spec, Tensor keys, Tensor annotations, Tensor? mask, Tensor score, Tensor? gains)
    {
        this.spec = spec;
        this.mask = mask?.contiguous();
        size = new((int)keys.shape[0], (int)keys.shape[1], (int)keys.shape[2], (int)annotations.shape[2]);
        given = [keys.contiguous(), annotations.contiguous(), score.contiguous(), spec.UsesP ? gains!.contiguous() : null];
        shapes = [.. given.Select(v => v?.shape)];
        shared = SharedOverSteps.Create(given, () => [.. Enumerable.Range(0, sums.Length).Select(Gradient)]);
        values = shared?.Values ?? given;
    }

    /// <summary>The attention steps, if the fused engine can do them.</summary>
    /// <param name="spec">The activation; valid.</param>
    /// <param name="keys">[S, B, A].</param>
    /// <param name="annotations">[S, B, C].</param>
    /// <param name="mask">[S, B], added to the scores; null for zeros. The kernel has no gradient for it.</param>
    /// <param name="score">Weights of the score, [1, A].</param>
    /// <param name="gains">Gap gains [A]; null if the activation has none.</param>
    internal static FusedAttention? Create(NoisyActivationSpec spec, Tensor keys, Tensor annotations, Tensor? mask, Tensor score, Tensor? gains)
    {
        Tensor?[] all = [keys, annotations, mask, score, gains];
        var takes = all.All(t => t is null || FusedEngine.Takes(t)) && mask is not { requires_grad: true };
        return takes && keys.numel() > 0 && annotations.numel() > 0
            ? new(spec, keys, annotations, mask, score, gains)
            : null;
    }

    /// <summary>One attention step.</summary>
    /// <param name="query">The query as the scores see it, [B, A].</param>
    /// <param name="context">Mode, key, update, time step and scale of the activation; not the exact mean.</param>
    /// <returns>Weighted mean [B, C] and weights [S, B]; owned by the caller.</returns>
    internal (Tensor Mean, Tensor Weights) Attend(Tensor query, NoiseContext context)
    {
        var kernel = AttentionKernel.Create(spec, context.Scale ?? spec.C, context.Draws, NoiseModes.Constant(spec, context.Mode), FusedEngine.Width);
        var result = AttentionFunction.Apply([query, .. values, mask, new StepCall(this, kernel, FusedEngine.Threads, shared?.NextNumber() ?? 0, context)]);
        return (result[0], result[1]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        mask?.Dispose();
        shared?.Dispose();
        foreach (var value in given) value?.Dispose();
    }

    /// <summary>Where steps add a gradient; null if it is not wanted.</summary>
    private float* Sum(int number, params long[] shape)
    {
        if (shared is null || !shared.RequiresGrad[number]) return null;
        return FusedEngine.Pointer(sums[number] ??= FusedEngine.Zeros(shape).DetachFromDisposeScope());
    }

    private void Forget()
    {
        foreach (var sum in sums) sum?.Dispose();
        Array.Clear(sums);
    }

    /// <summary>What steps have added up, in the caller's scope.</summary>
    private Tensor? Gradient(int number)
    {
        using var sum = sums[number];
        sums[number] = null;
        if (sum is null || number < Score) return sum?.alias();
        using var whole = sum.sum([0]);
        return whole.reshape(shapes[number]!);
    }

    /// <summary>What an attention step is besides tensors.</summary>
    private sealed record StepCall(FusedAttention Attention, AttentionKernel Kernel, int Threads, int Number, NoiseContext Context) : FusedCall;

    /// <summary>An attention step. Arguments: query, keys, annotations, score, gains, mask, call.</summary>
    private sealed class AttentionFunction : FusedFunction<AttentionFunction, StepCall>
    {
        protected override List<Tensor> Forward(StepCall call, FusedOperands operands)
        {
            var size = call.Attention.size;
            var (weights, mean) = (FusedEngine.Empty([size.Places, size.Batch]), FusedEngine.Empty([size.Batch, size.Channels]));
            call.Kernel.Forward(size, Inputs(operands), FusedEngine.Pointer(weights), FusedEngine.Pointer(mean), call.Threads);
            call.Tape = weights.clone().DetachFromDisposeScope(); // the caller may change the weights that it gets
            return [mean, weights];
        }

        protected override void Backward(StepCall call, FusedOperands operands, Tensor?[] upstream)
        {
            var (attention, size) = (call.Attention, call.Attention.size);
            using var unused = operands.RequiresGrad[0] ? null : FusedEngine.Empty([size.Batch, size.Units]);
            if (attention.shared?.BeginsAnew(call.Number) == true) attention.Forget();
            var grad = new AttentionGradients
            {
                Mean = FusedEngine.Pointer(upstream[0]),
                Weights = FusedEngine.Pointer(upstream[1]),
                Query = unused is null ? operands.Gradient(0) : FusedEngine.Pointer(unused),
                Keys = attention.Sum(Keys, size.Places, size.Batch, size.Units),
                Annotations = attention.Sum(Annotations, size.Places, size.Batch, size.Channels),
                Score = attention.Sum(Score, AttentionKernel.Parts(size), size.Units),
                Gains = GapGain.Counts(attention.spec, call.Context)
                    ? attention.Sum(FusedAttention.Gains, AttentionKernel.Parts(size), attention.shapes[FusedAttention.Gains]?[0] ?? 0)
                    : null,
            };
            call.Kernel.Backward(size, Inputs(operands), FusedEngine.Pointer((Tensor)call.Tape!), grad, call.Threads);
        }

        protected override List<Tensor> Compose(StepCall call, Tensor?[] operands)
        {
            var (mean, weights) = AttentionSteps.Compose(
                pre => SiteActivation.Apply(call.Attention.spec, pre, operands[1 + FusedAttention.Gains], call.Context, Backend.Composed),
                operands[0]!, operands[1 + Keys]!, operands[1 + Annotations]!, operands[1 + Score]!, operands[Tensors - 1]);
            return [mean, weights];
        }

        private static AttentionInputs Inputs(FusedOperands operands) => new()
        {
            Query = operands.At(0),
            Keys = operands.At(1 + Keys),
            Annotations = operands.At(1 + Annotations),
            Score = operands.At(1 + Score),
            Gains = operands.At(1 + FusedAttention.Gains),
            GainCount = (int)(operands.Tensor(1 + FusedAttention.Gains)?.numel() ?? 0),
            Mask = operands.At(Tensors - 1),
        };
    }
}
