using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Embedding and a GRU in each direction: reads sentences of different lengths, side by side.</summary>
/// <remarks>
/// Parameters: <c>embedding</c> [V, E], and those of <c>forward</c> and <c>backward</c>, two <see cref="NoisyGru"/>s. The second
/// reads each sentence from its own last word to its first, so a sentence's annotations do not depend on what stands beside
/// it. Source: paper, Section 6.4; docs/paper.md, reference systems.
/// </remarks>
public sealed class SentenceEncoder : nn.Module
{
    private readonly NoisyGru ahead, back;
    private readonly ModuleNoise noise;

    /// <summary>Creates the module.</summary>
    /// <param name="vocabulary">Number of words V.</param>
    /// <param name="embedding">Width E of the embedding.</param>
    /// <param name="hidden">Units of each direction; an annotation is C = twice as wide.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="clock">The model's clock.</param>
    public SentenceEncoder(long vocabulary, long embedding, long hidden, ActivationPair activations, NoiseClock clock)
        : base(nameof(SentenceEncoder))
    {
        noise = new ModuleNoise(clock);
        var table = new Parameter(InitialWeights.Uniform(noise.Init, embedding, vocabulary, embedding));
        table.DetachFromDisposeScope(); // the module owns it, whatever scope it is built in
        register_parameter("embedding", table);
        ahead = new NoisyGru(new RecurrentShape(embedding, hidden), activations, clock);
        back = new NoisyGru(new RecurrentShape(embedding, hidden), activations, clock);
        noise.IncludeParts();
        register_module("forward", ahead);
        register_module("backward", back);
    }

    /// <summary>Width C of an annotation.</summary>
    public long ContextSize => 2 * ahead.Shape.HiddenSize;

    /// <summary>Which implementation to run on; default the fused engine where it can.</summary>
    public Backend Backend
    {
        get => ahead.Backend;
        set => ahead.Backend = back.Backend = value;
    }

    /// <summary>Which implementation the last pass ran on.</summary>
    public string LastBackend => ahead.LastBackend;

    /// <summary>Reads sentences in the module's mode.</summary>
    /// <inheritdoc cref="forward(Tensor, IReadOnlyList{int}, NoiseContext)"/>
    public EncodedSentences forward(Tensor tokens, IReadOnlyList<int> lengths)
    {
        Check(tokens, lengths);
        return forward(tokens, lengths, noise.Next(training, (int)tokens.shape[0]));
    }

    /// <summary>Reads sentences.</summary>
    /// <param name="tokens">Word ids [S, B], int64; whatever stands after a sentence's end is not attended to.</param>
    /// <param name="lengths">Words of each sentence, each in [1, S].</param>
    /// <param name="context">Mode, key, update and scale.</param>
    /// <returns>What was found; owned by the caller.</returns>
    /// <exception cref="ArgumentException">The tokens or lengths do not fit.</exception>
    public EncodedSentences forward(Tensor tokens, IReadOnlyList<int> lengths, NoiseContext context)
    {
        Check(tokens, lengths);
        var (steps, batch) = (tokens.shape[0], tokens.shape[1]);
        using var scope = NewDisposeScope();
        var embedded = EmbeddingLookup.Rows(get_parameter("embedding")!, tokens, Backend);
        var (mirror, mask, shares) = Layout(lengths, steps, embedded);
        Tensor Mirrored(Tensor x) => x.gather(0, mirror.unsqueeze(-1).expand(steps, batch, x.shape[2]));
        var (first, _) = ahead.forward(embedded, null, context);
        var (second, _) = back.forward(Mirrored(embedded), null, context);
        var annotations = cat([first, Mirrored(second)], -1);
        var mean = (annotations * shares.unsqueeze(-1)).sum([0]);
        return new(annotations.MoveToOuterDisposeScope(), mask.MoveToOuterDisposeScope(), mean.MoveToOuterDisposeScope());
    }

    private static void Check(Tensor tokens, IReadOnlyList<int> lengths)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        if (tokens.dim() != 2 || tokens.shape[0] == 0)
            throw new ArgumentException($"tokens are {Operand.Shape(tokens)}: must be [S, B], with S >= 1", nameof(tokens));
        var (steps, batch) = (tokens.shape[0], tokens.shape[1]);
        if (lengths.Count != batch || lengths.Any(length => length < 1 || length > steps))
            throw new ArgumentException($"lengths are {string.Join(", ", lengths)}: must be {batch} numbers in [1, {steps}]", nameof(lengths));
    }

    /// <summary>For each place the one that it changes with when sentences are turned round; the mask; and each word's share in
    /// its sentence's mean.</summary>
    private static (Tensor Mirror, Tensor Mask, Tensor Shares) Layout(IReadOnlyList<int> lengths, long steps, Tensor like)
    {
        var batch = lengths.Count;
        var (mirror, mask, shares) = (new long[steps * batch], new float[steps * batch], new float[steps * batch]);
        for (var b = 0; b < batch; b++)
        {
            for (var s = 0; s < steps; s++)
            {
                var (at, length) = ((s * batch) + b, lengths[b]);
                mirror[at] = s < length ? length - 1 - s : s;
                mask[at] = s < length ? 0 : float.NegativeInfinity;
                shares[at] = s < length ? 1f / length : 0;
            }
        }

        return (tensor(mirror).reshape(steps, batch).to(like.device), tensor(mask).reshape(steps, batch).to(like.dtype, like.device),
            tensor(shares).reshape(steps, batch).to(like.dtype, like.device));
    }
}
