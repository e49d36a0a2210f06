using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Attends to a sequence of annotations (words of a sentence, places of a picture) and returns a weighted mean of them: scores
/// are v · tanh(W q + U a + b), the weights their softmax over the annotations; the tanh is a noisy one.</summary>
/// <remarks>
/// Parameters: <c>weight_query</c> W [A, Q], <c>weight_context</c> U [A, C], <c>bias</c> b [A], <c>score</c> v [1, A], and
/// <c>activation.p</c> [A] if the activation has a gap gain. A constant added to all scores would change nothing and is left out.
/// Source: Bahdanau, Cho, Bengio, "Neural machine translation by jointly learning to align and translate", 2015; paper, Sections 6.4
/// and 6.5.
/// </remarks>
public sealed class AdditiveAttention : nn.Module
{
    private readonly NoisyActivation activation;
    private readonly ModuleNoise noise;

    /// <summary>Creates the module; weights U(−1/√n, 1/√n) with n their inputs, from the clock's key.</summary>
    /// <param name="querySize">Width Q of the query, ≥ 1.</param>
    /// <param name="contextSize">Width C of an annotation, ≥ 1.</param>
    /// <param name="hiddenSize">Units A, ≥ 1.</param>
    /// <param name="tanh">What replaces tanh.</param>
    /// <param name="clock">The model's clock.</param>
    public AdditiveAttention(long querySize, long contextSize, long hiddenSize, NoisyActivationSpec tanh, NoiseClock clock)
        : base(nameof(AdditiveAttention))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(querySize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(contextSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(hiddenSize, 1);
        noise = new ModuleNoise(clock);
        var key = noise.Init;
        activation = new NoisyActivation(tanh, hiddenSize, clock, "activation");
        noise.IncludeParts();
        register_module("activation", activation);
        New("weight_query", querySize, hiddenSize, querySize);
        New("weight_context", contextSize, hiddenSize, contextSize);
        New("bias", contextSize, hiddenSize);
        New("score", hiddenSize, 1, hiddenSize);

        void New(string name, long inputs, params long[] size)
        {
            var weight = new Parameter(InitialWeights.Uniform(key.Child(name), inputs, size));
            weight.DetachFromDisposeScope(); // the module owns it, whatever scope it is built in
            register_parameter(name, weight);
        }
    }

    /// <summary>Which implementation keys and attention steps run on; default the fused engine where it can.</summary>
    public Backend Backend
    {
        get => activation.Backend;
        set => activation.Backend = value;
    }

    /// <summary>What stands in the place of tanh.</summary>
    internal NoisyActivation Activation => activation;

    /// <summary>The part of the scores that no query has part in; to be made once for a sequence.</summary>
    /// <param name="annotations">[S, B, C].</param>
    /// <returns>U a + b, [S, B, A]; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public Tensor Keys(Tensor annotations)
    {
        CheckAnnotations(annotations);
        return FusedLinear.Apply(annotations, get_parameter("weight_context")!, get_parameter("bias"), Backend);
    }

    /// <summary>One attention step.</summary>
    /// <param name="query">[B, Q].</param>
    /// <param name="annotations">[S, B, C].</param>
    /// <param name="keys">Their <see cref="Keys"/>.</param>
    /// <param name="mask">[S, B], added to the scores: 0, or −∞ where a sequence has no annotation; null if all have S. Every
    /// sequence has at least one. Steps with a mask that has a gradient go through torch's operations.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>Weighted mean [B, C], and the weights [S, B], which sum to 1 over S; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public (Tensor Context, Tensor Weights) forward(Tensor query, Tensor annotations, Tensor keys, Tensor? mask, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        var (mean, weights) = Over(annotations, keys, mask).forward(query, context);
        return (mean.MoveToOuterDisposeScope(), weights.MoveToOuterDisposeScope());
    }

    /// <summary>One attention step in the module's mode; each call in an update is the next time step.</summary>
    /// <param name="query">[B, Q].</param>
    /// <param name="annotations">[S, B, C].</param>
    /// <param name="keys">Their <see cref="Keys"/>.</param>
    /// <param name="mask">[S, B], added to the scores; null for zeros.</param>
    /// <returns>Weighted mean [B, C], and the weights [S, B]; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public (Tensor Context, Tensor Weights) forward(Tensor query, Tensor annotations, Tensor keys, Tensor? mask = null) =>
        forward(query, annotations, keys, mask, noise.Next(training));

    /// <summary>Attention steps over the same annotations, for models that attend to them in many time steps: the gradients in what all attention steps share
    /// are then added up in place.</summary>
    /// <param name="annotations">[S, B, C].</param>
    /// <param name="keys">Their <see cref="Keys"/>.</param>
    /// <param name="mask">As in <see cref="forward(Tensor, Tensor, Tensor, Tensor, NoiseContext)"/>.</param>
    /// <returns>To be used for one sequence and one backward pass; the caller disposes it after the forward pass. Where libtorch tells which pass is
    /// running (not on Windows), that one may come in parts, from a step on and then back from the gradient in it.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public AttentionSteps Over(Tensor annotations, Tensor keys, Tensor? mask)
    {
        CheckOver(annotations, keys, mask);
        return new(activation, Backend, get_parameter("weight_query")!, get_parameter("score")!, annotations, keys, mask);
    }

    /// <summary>Checks what attention steps go over.</summary>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    internal void CheckOver(Tensor annotations, Tensor keys, Tensor? mask)
    {
        CheckAnnotations(annotations);
        var (places, batch) = (annotations.shape[0], annotations.shape[1]);
        Operand.Sized(keys, nameof(keys), places, batch, activation.Units);
        Operand.Like(annotations, keys, nameof(keys));
        if (mask is not null) Operand.Sized(mask, nameof(mask), places, batch);
        Operand.Like(annotations, mask, nameof(mask));
    }

    /// <summary>Checks annotations alone.</summary>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    internal void CheckAnnotations(Tensor annotations)
    {
        ArgumentNullException.ThrowIfNull(annotations);
        var weights = get_parameter("weight_context")!;
        if (annotations.dim() != 3 || annotations.shape[2] != weights.shape[1])
            throw new ArgumentException($"annotations are {Operand.Shape(annotations)}: must be [S, B, {weights.shape[1]}]", nameof(annotations));
        Operand.Like(weights, annotations, nameof(annotations));
    }
}
