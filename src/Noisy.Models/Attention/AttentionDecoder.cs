using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>The conditional GRU with attention: in each step one GRU takes the word before, its state attends to the annotations,
/// and a second GRU takes the attended mean.</summary>
/// <remarks>
/// <para>s⁰ = tanh(W mean + b); s' = GRU₁(word, s); c = attention(s'); s = GRU₂(c, s'); readout r = tanh(W s + W word + W c + b), and
/// logits are linear in r. Each tanh and sigmoid is a noisy one. The word before the first is a zero vector.</para>
/// <para>Parameters: <c>embedding</c> [V, E], <c>start_weight</c> [H, C], <c>start_bias</c>, those of <c>first</c>, <c>second</c> and
/// <c>attention</c>, <c>readout_state</c> [R, H], <c>readout_word</c> [R, E], <c>readout_context</c> [R, C], <c>readout_bias</c>,
/// <c>output_weight</c> [V, R], <c>output_bias</c>, with R = E. Source: paper, Section 6.4; docs/paper.md, reference systems.</para>
/// </remarks>
public sealed class AttentionDecoder : nn.Module
{
    private readonly NoisyGruCell first, second;
    private readonly AdditiveAttention attention;
    private readonly NoisyActivation start, readout;
    private readonly ModuleNoise noise;

    /// <summary>Creates the module.</summary>
    /// <param name="vocabulary">Number of words V.</param>
    /// <param name="embedding">Width E of the embedding and of the readout.</param>
    /// <param name="contextSize">Width C of an annotation.</param>
    /// <param name="hidden">Units H of each GRU.</param>
    /// <param name="attentionSize">Units A of the attention.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="clock">The model's clock.</param>
    public AttentionDecoder(
        long vocabulary, long embedding, long contextSize, long hidden, long attentionSize, ActivationPair activations, NoiseClock clock)
        : base(nameof(AttentionDecoder))
    {
        noise = new ModuleNoise(clock);
        var key = noise.Init;
        New("embedding", embedding, vocabulary, embedding);
        New("start_weight", contextSize, hidden, contextSize);
        New("start_bias", contextSize, hidden);
        start = Module("start", new NoisyActivation(activations.Tanh, hidden, clock));
        first = Module("first", new NoisyGruCell(embedding, hidden, activations, clock));
        attention = Module("attention", new AdditiveAttention(hidden, contextSize, attentionSize, activations.Tanh, clock));
        second = Module("second", new NoisyGruCell(contextSize, hidden, activations, clock));
        New("readout_state", hidden, embedding, hidden);
        New("readout_word", embedding, embedding, embedding);
        New("readout_context", contextSize, embedding, contextSize);
        New("readout_bias", hidden, embedding);
        readout = Module("readout", new NoisyActivation(activations.Tanh, embedding, clock));
        New("output_weight", embedding, vocabulary, embedding);
        New("output_bias", embedding, vocabulary);
        noise.IncludeParts();

        T Module<T>(string name, T module) where T : nn.Module
        {
            register_module(name, module);
            return module;
        }

        void New(string name, long inputs, params long[] size)
        {
            var weight = new Parameter(InitialWeights.Uniform(key.Child(name), inputs, size));
            weight.DetachFromDisposeScope(); // the module owns it, whatever scope it is built in
            register_parameter(name, weight);
        }
    }

    /// <summary>Which implementation to run on; default the fused engine where it can.</summary>
    public Backend Backend
    {
        get => first.Backend;
        set => first.Backend = second.Backend = attention.Backend = start.Backend = readout.Backend = value;
    }

    /// <summary>The state before the first word.</summary>
    /// <param name="encoded">Sentences.</param>
    /// <param name="context">Mode, key, update and scale.</param>
    /// <returns>The state; owned by the caller.</returns>
    /// <exception cref="ArgumentException">The sentences do not fit each other or the module.</exception>
    public DecoderState Start(EncodedSentences encoded, NoiseContext context)
    {
        Check(encoded);
        using var scope = NewDisposeScope();
        var hidden = start.forward(F.linear(encoded.Mean, get_parameter("start_weight")!, get_parameter("start_bias")), context);
        Tensor Own(Tensor shared) => shared.alias().MoveToOuterDisposeScope();
        return new(
            hidden.MoveToOuterDisposeScope(), new(Own(encoded.Annotations), Own(encoded.Mask), Own(encoded.Mean)),
            attention.Keys(encoded.Annotations).MoveToOuterDisposeScope());
    }

    /// <summary>The state before the first word, in the module's mode.</summary>
    /// <inheritdoc cref="Start(EncodedSentences, NoiseContext)"/>
    public DecoderState Start(EncodedSentences encoded)
    {
        Check(encoded);
        return Start(encoded, noise.Next(training));
    }

    /// <summary>Negative log-likelihood of sentences, each word given those before, in the module's mode.</summary>
    /// <inheritdoc cref="Loss(DecoderState, Tensor, Tensor, NoiseContext)"/>
    public (Tensor Sum, Tensor Attention) Loss(DecoderState state, Tensor words, Tensor targets)
    {
        Check(state, words);
        return Loss(state, words, targets, noise.Next(training, (int)words.shape[0]));
    }

    /// <summary>Negative log-likelihood of sentences, each word given those before.</summary>
    /// <param name="state">What <see cref="Start(EncodedSentences, NoiseContext)"/> gave.</param>
    /// <param name="words">The sentences [T, B], int64, end tokens among them; what stands after an end is not counted.</param>
    /// <param name="targets">The same [T B], with <see cref="LinearCrossEntropy.IgnoreIndex"/> after each end.</param>
    /// <param name="context">Mode, key, update and scale.</param>
    /// <returns>Sum over all words that count, in nats; and the attention of each word to each annotation, [T, S, B]; owned by the
    /// caller.</returns>
    /// <exception cref="ArgumentException">The words do not fit the state.</exception>
    public (Tensor Sum, Tensor Attention) Loss(DecoderState state, Tensor words, Tensor targets, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        Check(state, words);
        var (steps, batch) = ((int)words.shape[0], words.shape[1]);
        var width = get_parameter("embedding")!.shape[1];
        var none = zeros([1, batch, width], state.Hidden.dtype, words.device);
        var before = steps == 1 ? none : cat([none, EmbeddingLookup.Rows(get_parameter("embedding")!, words.narrow(0, 0, steps - 1), Backend)], 0);
        var (hidden, attended, weights) = FusedDecoder.Run(
            new(first.Core, attention, null, null, null, second.Core), before,
            new(state.Hidden, null, state.Keys, state.Encoded.Annotations, state.Encoded.Mask), context) ?? OneByOne(before, state, context);
        var top = Readout(hidden, before, attended, context);
        var sum = LinearCrossEntropy.Sum(
            top.reshape(-1, width), get_parameter("output_weight")!, get_parameter("output_bias"), targets, Backend);
        return (sum.MoveToOuterDisposeScope(), weights.MoveToOuterDisposeScope());
    }

    /// <summary>Reads one word in each row.</summary>
    /// <param name="state">State before it; stays as it is.</param>
    /// <param name="last">Ids [B] of the words, int64; null before the first.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>Log-probabilities of the next word [B, V], the attention to each annotation [S, B], and the hidden state after
    /// it [B, H]; owned by the caller.</returns>
    /// <exception cref="ArgumentException">The words do not fit the state.</exception>
    public (Tensor LogProbabilities, Tensor Attention, Tensor Hidden) Next(DecoderState state, Tensor? last, NoiseContext context)
    {
        if (last is not null) Operand.Sized(last, nameof(last), state.Hidden.shape[0]);
        using var scope = NewDisposeScope();
        var table = get_parameter("embedding")!;
        var word = last is null ? zeros([state.Hidden.shape[0], table.shape[1]], table.dtype, table.device) : table.index_select(0, last);
        using var sequence = new Sequence(this, state);
        var (hidden, attended, weights) = sequence.Step(sequence.First.Project(word), state.Hidden, context);
        var top = Readout(hidden.unsqueeze(0), word.unsqueeze(0), attended.unsqueeze(0), context).squeeze(0);
        var logs = F.linear(top, get_parameter("output_weight")!, get_parameter("output_bias")).log_softmax(-1);
        return (logs.MoveToOuterDisposeScope(), weights.MoveToOuterDisposeScope(), hidden.MoveToOuterDisposeScope());
    }

    private void Check(EncodedSentences encoded)
    {
        ArgumentNullException.ThrowIfNull(encoded);
        attention.CheckAnnotations(encoded.Annotations);
        var (weights, places, batch) = (get_parameter("start_weight")!, encoded.Annotations.shape[0], encoded.Annotations.shape[1]);
        Operand.Sized(encoded.Mask, nameof(encoded.Mask), places, batch);
        Operand.Like(weights, encoded.Mask, nameof(encoded.Mask));
        Operand.Sized(encoded.Mean, nameof(encoded.Mean), batch, weights.shape[1]);
        Operand.Like(weights, encoded.Mean, nameof(encoded.Mean));
    }

    private static void Check(DecoderState state, Tensor words)
    {
        ArgumentNullException.ThrowIfNull(words);
        if (words.dim() != 2 || words.shape[0] == 0 || words.shape[1] != state.Hidden.shape[0])
            throw new ArgumentException($"words are {Operand.Shape(words)}: must be [T, {state.Hidden.shape[0]}], with T >= 1", nameof(words));
    }

    /// <summary>The steps one after the other: states [T, B, H], what was seen [T, B, C] and attention [T, S, B].</summary>
    private (Tensor Hidden, Tensor Attended, Tensor Attention) OneByOne(Tensor before, DecoderState state, NoiseContext context)
    {
        var steps = (int)before.shape[0];
        using var sequence = new Sequence(this, state);
        var projected = sequence.First.Project(before).unbind(0);
        var (hidden, attended, weights) = (new Tensor[steps], new Tensor[steps], new Tensor[steps]);
        var now = state.Hidden;
        for (var t = 0; t < steps; t++)
        {
            (now, attended[t], weights[t]) = sequence.Step(projected[t], now, context.Later(t));
            hidden[t] = now;
        }

        return (stack(hidden), stack(attended), stack(weights));
    }

    /// <summary>What the output layer sees, for all time steps of [T, B, ·] at once.</summary>
    private Tensor Readout(Tensor hidden, Tensor before, Tensor attended, NoiseContext context) => readout.forward(
        FusedLinear.Apply(hidden, get_parameter("readout_state")!, get_parameter("readout_bias"), Backend)
            .Plus(FusedLinear.Apply(before, get_parameter("readout_word")!, null, Backend))
            .Plus(FusedLinear.Apply(attended, get_parameter("readout_context")!, null, Backend)),
        context);

    /// <summary>Steps from one state on.</summary>
    private sealed class Sequence(AttentionDecoder owner, DecoderState state) : IDisposable
    {
        private readonly NoisyCellSteps second = owner.second.Steps();
        private readonly AttentionSteps attention = owner.attention.Over(state.Encoded.Annotations, state.Keys, state.Encoded.Mask);

        internal NoisyCellSteps First { get; } = owner.first.Steps();

        public void Dispose()
        {
            First.Dispose();
            second.Dispose();
            attention.Dispose();
        }

        internal (Tensor Hidden, Tensor Attended, Tensor Attention) Step(Tensor projected, Tensor hidden, NoiseContext context)
        {
            var between = First.Step(projected, [hidden], context)[0];
            var (attended, weights) = attention.forward(between, context);
            return (second.Step(second.Project(attended), [between], context)[0], attended, weights);
        }
    }
}
