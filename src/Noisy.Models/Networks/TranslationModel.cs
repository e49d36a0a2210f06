using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Encoder, attention and decoder: translates sentences.</summary>
/// <remarks>Parameters: those of <c>encoder</c> (<see cref="SentenceEncoder"/>) and <c>decoder</c> (<see cref="AttentionDecoder"/>).
/// Source: paper, Section 6.4; docs/paper.md, reference systems.</remarks>
public sealed class TranslationModel : nn.Module
{
    private readonly SentenceEncoder encoder;
    private readonly AttentionDecoder decoder;
    private readonly ModuleNoise noise;

    /// <summary>Creates the model.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="scheme">How weights begin.</param>
    /// <param name="clock">The model's clock.</param>
    public TranslationModel(TranslationShape shape, ActivationPair activations, InitialScheme scheme, NoiseClock clock)
        : base(nameof(TranslationModel))
    {
        Shape = shape;
        var first = clock.NextModuleId;
        encoder = new SentenceEncoder(shape.SourceVocabulary, shape.Embedding, shape.Hidden, activations, clock);
        decoder = new AttentionDecoder(
            shape.TargetVocabulary, shape.Embedding, encoder.ContextSize, shape.Hidden, shape.Attention, activations, clock);
        noise = new ModuleNoise(clock, first);
        register_module("encoder", encoder);
        register_module("decoder", decoder);
        InitialSchemes.Apply(this, scheme, clock.Key.Child("init").Child("scheme"));
    }

    /// <summary>Sizes.</summary>
    public TranslationShape Shape { get; }

    /// <summary>Which implementation to run on; default the fused engine where it can.</summary>
    public Backend Backend
    {
        get => encoder.Backend;
        set => encoder.Backend = decoder.Backend = value;
    }

    /// <summary>Which implementation the encoder's last pass ran on.</summary>
    public string LastBackend => encoder.LastBackend;

    /// <summary>Reads sentences.</summary>
    /// <param name="source">Sentences, end tokens included.</param>
    /// <param name="context">Mode, key, update and scale.</param>
    /// <returns>The decoder's state before the first word; owned by the caller.</returns>
    public DecoderState Start(SentenceBatch source, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        var state = decoder.Start(encoder.forward(Ids(source.Tokens, source), source.Lengths, context), context);
        state.MoveToOuterScope();
        return state;
    }

    /// <summary>Negative log-likelihood of translations, each word given those before, in the module's mode.</summary>
    /// <inheritdoc cref="Loss(SentenceBatch, SentenceBatch, NoiseContext)"/>
    public (Tensor Sum, Tensor Attention) Loss(SentenceBatch source, SentenceBatch target) =>
        Loss(source, target, noise.Next(training, Math.Max(source.Steps, target.Steps)));

    /// <summary>Negative log-likelihood of translations, each word given those before.</summary>
    /// <param name="source">Sentences, end tokens included.</param>
    /// <param name="target">Their translations, end tokens included.</param>
    /// <param name="context">Mode, key, update and scale.</param>
    /// <returns>Sum over all words in nats, a scalar, and the attention of each word to each word of the source, [T, S, B]; owned by
    /// the caller.</returns>
    public (Tensor Sum, Tensor Attention) Loss(SentenceBatch source, SentenceBatch target, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        using var state = Start(source, context);
        var counted = target.Tokens.Select((token, i) => target.Mask[i] > 0 ? token : LinearCrossEntropy.IgnoreIndex).ToArray();
        var (sum, attention) = decoder.Loss(state, Ids(target.Tokens, target), Ids(counted).reshape(-1), context);
        return (sum.MoveToOuterDisposeScope(), attention.MoveToOuterDisposeScope());
    }

    /// <summary>Reads one word in each row; see <see cref="AttentionDecoder.Next"/>.</summary>
    /// <param name="state">State before it; stays as it is.</param>
    /// <param name="last">Ids of the words; null before the first.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>Log-probabilities of the next word [B, V] and the state after it; owned by the caller.</returns>
    public (Tensor LogProbabilities, DecoderState State) Next(DecoderState state, int[]? last, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        var (logs, _, hidden) = decoder.Next(state, last is null ? null : Ids([.. last.Select(id => (long)id)]), context);
        var next = state.After(hidden);
        next.MoveToOuterScope();
        return (logs.MoveToOuterDisposeScope(), next);
    }

    private Tensor Ids(int[] tokens, SentenceBatch batch) => Ids([.. tokens.Select(id => (long)id)]).reshape(batch.Steps, batch.Count);

    private Tensor Ids(long[] ids) => tensor(ids).to(get_parameter("encoder.embedding")!.device);
}
