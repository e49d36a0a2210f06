using Noisy.Core;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>Steps of <see cref="AdditiveAttention"/> over the same annotations, one after the other.</summary>
/// <remarks>On the CPU in single precision each is one node of torch's graph. Dispose it after the forward pass, or begin it in a
/// dispose scope that outlives that; the backward pass needs it no more.</remarks>
public sealed class AttentionSteps : IDisposable
{
    private readonly NoisyActivation activation;
    private readonly StepLinear ask;
    private readonly long queries;
    private readonly FusedAttention? fused;
    private readonly Tensor score, annotations, keys;
    private readonly Tensor? mask;
    private readonly bool records = is_grad_enabled();

    internal AttentionSteps(NoisyActivation activation, Backend backend, Tensor query, Tensor score, Tensor annotations, Tensor keys, Tensor? mask)
    {
        (this.activation, this.score, this.annotations, this.keys, this.mask) = (activation, score, annotations, keys, mask);
        ask = new StepLinear(query, null, backend);
        queries = query.shape[1];
        fused = backend == Backend.Composed ? null : FusedAttention.Create(activation.Spec, keys, annotations, mask, score, activation.Gains);
    }

    /// <summary>One attention step.</summary>
    /// <param name="query">[B, Q].</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>Weighted mean [B, C], and the weights [S, B], which sum to 1 over S; owned by the caller.</returns>
    /// <exception cref="ArgumentException">The query does not fit.</exception>
    public (Tensor Context, Tensor Weights) forward(Tensor query, NoiseContext context)
    {
        Operand.Sized(query, nameof(query), annotations.shape[1], queries);
        Operand.Like(annotations, query, nameof(query));
        using var scope = NewDisposeScope();
        var projected = ask.Apply(query);

        // What was made for all steps with gradients off has none: with gradients on, torch adds up each step's.
        var takes = fused is not null && context.Mode != NoiseMode.ExactMean && (records || !is_grad_enabled());
        if (takes) activation.LastBackend = FusedEngine.FusedName;
        var (mean, weights) = takes
            ? fused!.Attend(projected, activation.Own(context))
            : Compose(pre => activation.forward(pre, context), projected, keys, annotations, score, mask);
        return (mean.MoveToOuterDisposeScope(), weights.MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ask.Dispose();
        fused?.Dispose();
    }

    /// <summary>The attention steps as tensor operations.</summary>
    /// <param name="activate">The activation.</param>
    /// <param name="query">The query as the scores see it, [B, A].</param>
    /// <param name="keys">[S, B, A].</param>
    /// <param name="annotations">[S, B, C].</param>
    /// <param name="score">[1, A].</param>
    /// <param name="mask">[S, B]; null for zeros.</param>
    internal static (Tensor Mean, Tensor Weights) Compose(
        Func<Tensor, Tensor> activate, Tensor query, Tensor keys, Tensor annotations, Tensor score, Tensor? mask)
    {
        var scores = F.linear(activate(keys.Plus(query)), score).squeeze(-1);
        var weights = (mask is null ? scores : scores.Plus(mask)).softmax(0);
        return ((weights.unsqueeze(-1) * annotations).sum([0]), weights);
    }
}
