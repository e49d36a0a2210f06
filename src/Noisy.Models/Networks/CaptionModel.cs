using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>An LSTM that attends to the places of a picture and describes it.</summary>
/// <remarks>
/// <para>h⁰ = tanh(W mean + b), c⁰ likewise; in each step the state before attends to the places, z = what it saw, scaled by
/// sigmoid(W h + b) with a selector; the LSTM takes the word before and z; readout tanh(W h + b [+ word] [+ W z]), and logits are
/// linear in it. Each tanh and sigmoid is a noisy one. The word before the first is a zero vector.</para>
/// <para>Parameters: <c>embedding</c> [V, E], <c>hidden_weight</c>, <c>cell_weight</c> [H, D] with their biases, those of
/// <c>attention</c> and <c>lstm</c>, <c>selector_weight</c> [1, H] and its bias, <c>readout_state</c> [E, H], <c>readout_context</c>
/// [E, D], <c>readout_bias</c>, <c>output_weight</c> [V, E], <c>output_bias</c>. Source: Xu et al., "Show, attend and tell", 2015;
/// paper, Section 6.5; docs/paper.md, reference systems.</para>
/// </remarks>
public sealed class CaptionModel : nn.Module
{
    private readonly AdditiveAttention attention;
    private readonly NoisyLstmCell lstm;
    private readonly NoisyActivation hiddenStart, cellStart, readout;
    private readonly NoisyActivation? selector;
    private readonly ModuleNoise noise;

    /// <summary>Creates the model.</summary>
    /// <param name="shape">Sizes and switches.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="scheme">How weights begin.</param>
    /// <param name="clock">The model's clock.</param>
    public CaptionModel(CaptionShape shape, ActivationPair activations, InitialScheme scheme, NoiseClock clock)
        : base(nameof(CaptionModel))
    {
        Shape = shape;
        noise = new ModuleNoise(clock);
        var key = noise.Init;
        var (d, e, h) = (shape.Channels, shape.Embedding, shape.Hidden);
        New("embedding", e, shape.Vocabulary, e);
        New("hidden_weight", d, h, d);
        New("hidden_bias", d, h);
        New("cell_weight", d, h, d);
        New("cell_bias", d, h);
        hiddenStart = Module("hidden_start", new NoisyActivation(activations.Tanh, h, clock));
        cellStart = Module("cell_start", new NoisyActivation(activations.Tanh, h, clock));
        attention = Module("attention", new AdditiveAttention(h, d, shape.Attention, activations.Tanh, clock));
        lstm = Module("lstm", new NoisyLstmCell(e + d, h, activations, clock));
        New("readout_state", h, e, h);
        New("readout_bias", h, e);
        if (shape.ContextToOutput) New("readout_context", d, e, d);
        if (shape.Selector)
        {
            New("selector_weight", h, 1, h);
            New("selector_bias", h, 1);
            selector = Module("selector", new NoisyActivation(activations.Sigmoid, 1, clock));
        }

        readout = Module("readout", new NoisyActivation(activations.Tanh, e, clock));
        New("output_weight", e, shape.Vocabulary, e);
        New("output_bias", e, shape.Vocabulary);
        noise.IncludeParts();
        InitialSchemes.Apply(this, scheme, clock.Key.Child("init").Child("scheme"));

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

    /// <summary>Sizes and switches.</summary>
    public CaptionShape Shape { get; }

    /// <summary>Which implementation to run on; default the fused engine where it can.</summary>
    public Backend Backend
    {
        get => lstm.Backend;
        set
        {
            lstm.Backend = attention.Backend = hiddenStart.Backend = cellStart.Backend = readout.Backend = value;
            if (selector is not null) selector.Backend = value;
        }
    }

    /// <summary>Which implementation the LSTM ran on in the last pass.</summary>
    public string LastBackend => lstm.LastBackend;

    /// <summary>The state before the first word.</summary>
    /// <param name="annotations">[L, B, D].</param>
    /// <param name="context">Mode, key, update and scale.</param>
    /// <returns>The state; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public CaptionState Start(Tensor annotations, NoiseContext context)
    {
        attention.CheckAnnotations(annotations);
        using var scope = NewDisposeScope();
        var mean = annotations.mean([0]);
        Tensor Begin(string name, NoisyActivation activation) =>
            activation.forward(F.linear(mean, get_parameter(name + "_weight")!, get_parameter(name + "_bias")), context).MoveToOuterDisposeScope();
        return new(Begin("hidden", hiddenStart), Begin("cell", cellStart), annotations.alias().MoveToOuterDisposeScope(), attention.Keys(annotations).MoveToOuterDisposeScope());
    }

    /// <summary>The state before the first word, in the module's mode.</summary>
    /// <inheritdoc cref="Start(Tensor, NoiseContext)"/>
    public CaptionState Start(Tensor annotations)
    {
        attention.CheckAnnotations(annotations);
        return Start(annotations, noise.Next(training));
    }

    /// <summary>Negative log-likelihood of captions, each word given those before, in the module's mode.</summary>
    /// <inheritdoc cref="Loss(CaptionState, SentenceBatch, NoiseContext, bool)"/>
    public CaptionLoss Loss(CaptionState state, SentenceBatch words, bool draw = false)
    {
        Check(state, words);
        return Loss(state, words, noise.Next(training, words.Steps), draw);
    }

    /// <summary>Negative log-likelihood of captions, each word given those before.</summary>
    /// <param name="state">What <see cref="Start(Tensor, NoiseContext)"/> gave.</param>
    /// <param name="words">Captions of any lengths, end tokens included, one for each picture.</param>
    /// <param name="context">Mode, key, update and scale.</param>
    /// <param name="draw">Whether each step of a caption draws, with probability ½, one place by the attention's weights and takes
    /// that alone, through which no gradient passes; only where noise is drawn.</param>
    /// <returns>The losses; owned by the caller.</returns>
    /// <exception cref="ArgumentException">The words do not fit the state.</exception>
    public CaptionLoss Loss(CaptionState state, SentenceBatch words, NoiseContext context, bool draw = false)
    {
        Check(state, words);
        using var scope = NewDisposeScope();
        var (device, steps, batch) = (state.Hidden.device, words.Steps, words.Count);
        var ids = tensor(words.Tokens.Select(id => (long)id).ToArray()).reshape(steps, batch).to(device);
        var none = zeros([1, batch, Shape.Embedding], state.Hidden.dtype, device);
        var before = steps == 1 ? none : cat([none, EmbeddingLookup.Rows(get_parameter("embedding")!, ids.narrow(0, 0, steps - 1), Backend)], 0);
        var (hidden, attended, weights, selected) = (draw && context.IsTraining ? null : AtOnce(before, state, context)) ?? OneByOne(before, state, context, draw);
        var top = Readout(hidden, before, attended, context).reshape(-1, Shape.Embedding);
        var targets = tensor(words.Tokens.Select((id, i) => words.Mask[i] > 0 ? id : LinearCrossEntropy.IgnoreIndex).ToArray()).to(device);
        var (sum, nats, _) = LinearCrossEntropy.Details(top, get_parameter("output_weight")!, get_parameter("output_bias"), targets, Backend);
        return new(
            sum.MoveToOuterDisposeScope(), nats.reshape(steps, batch).MoveToOuterDisposeScope(), weights.MoveToOuterDisposeScope(),
            selected.MoveToOuterDisposeScope());
    }

    /// <summary>Reads one word in each row.</summary>
    /// <param name="state">State before it; stays as it is.</param>
    /// <param name="last">Ids of the words; null before the first.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>Log-probabilities of the next word [B, V], the attention to each place [L, B], and the state after it; owned by
    /// the caller.</returns>
    /// <exception cref="ArgumentException">The words do not fit the state.</exception>
    public (Tensor LogProbabilities, Tensor Attention, CaptionState State) Next(CaptionState state, int[]? last, NoiseContext context)
    {
        if (last is not null && last.Length != state.Hidden.shape[0])
            throw new ArgumentException($"last is [{last.Length}]: must be [{state.Hidden.shape[0]}]", nameof(last));
        using var scope = NewDisposeScope();
        var table = get_parameter("embedding")!;
        using var index = last is null ? null : tensor(last.Select(id => (long)id).ToArray()).to(table.device);
        var word = index is null ? zeros([state.Hidden.shape[0], Shape.Embedding], table.dtype, table.device) : table.index_select(0, index);
        using var sequence = new Sequence(this, state);
        var (h, c, attended, weights, _) = sequence.Step(word, state.Hidden, state.Cell, context, draw: false);
        var top = Readout(h.unsqueeze(0), word.unsqueeze(0), attended.unsqueeze(0), context).squeeze(0);
        var logs = F.linear(top, get_parameter("output_weight")!, get_parameter("output_bias")).log_softmax(-1);
        var next = state.After(h, c);
        next.MoveToOuterScope();
        return (logs.MoveToOuterDisposeScope(), weights.MoveToOuterDisposeScope(), next);
    }

    private static void Check(CaptionState state, SentenceBatch words)
    {
        ArgumentNullException.ThrowIfNull(words);
        var pictures = state.Hidden.shape[0];
        if (words.Steps < 1 || words.Count != pictures)
        {
            throw new ArgumentException(
                $"words are [{words.Steps}, {words.Count}]: must be [T, {pictures}], a caption for each picture, with T >= 1", nameof(words));
        }
    }

    /// <summary>All steps as one function: states [T, B, H], what was seen [T, B, D], attention and what was selected [T, L, B]; null if the
    /// engine cannot.</summary>
    private (Tensor Hidden, Tensor Attended, Tensor Weights, Tensor Selected)? AtOnce(Tensor before, CaptionState state, NoiseContext context)
    {
        var (weight, bias) = selector is null ? (null, null) : (get_parameter("selector_weight"), get_parameter("selector_bias"));
        var parts = new DecoderParts(null, attention, selector, weight, bias, lstm.Core);
        return FusedDecoder.Run(parts, before, new(state.Hidden, state.Cell, state.Keys, state.Annotations, null), context) is var (hidden, seen, weights)
            ? (hidden, seen, weights, weights.detach())
            : null;
    }

    /// <summary>The same, step after step.</summary>
    private (Tensor Hidden, Tensor Attended, Tensor Weights, Tensor Selected) OneByOne(Tensor before, CaptionState state, NoiseContext context, bool draw)
    {
        var steps = (int)before.shape[0];
        var (hidden, attended, weights, selected) = (new Tensor[steps], new Tensor[steps], new Tensor[steps], new Tensor[steps]);
        var (h, c) = (state.Hidden, state.Cell);
        using var sequence = new Sequence(this, state);
        for (var t = 0; t < steps; t++)
        {
            (h, c, attended[t], weights[t], selected[t]) = sequence.Step(before.select(0, t), h, c, context.Later(t), draw && context.IsTraining);
            hidden[t] = h;
        }

        return (stack(hidden), stack(attended), stack(weights), stack(selected));
    }

    /// <summary>A place drawn by its weight for each example [B], and whether it is taken, with probability ½ [B]; no gradient
    /// passes.</summary>
    private static (Tensor Place, Tensor Taken) Draw(Tensor weights, NoiseContext context)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (places, batch) = (weights.shape[0], weights.shape[1]);
        var stream = context.Key.At(context.Update, context.TimeStep);
        var uniform = NoiseSource.Uniform(stream, [batch, 2], 0, 1, CPU).to(weights.device);

        // The last sum may fall short of 1, and of the draw, by a rounding: it is left out.
        var place = weights.cumsum(0).narrow(0, 0, places - 1).lt(uniform.select(1, 0).unsqueeze(0)).sum([0]);
        return (place.MoveToOuterDisposeScope(), uniform.select(1, 1).IsBelow(0.5).MoveToOuterDisposeScope());
    }

    /// <summary>What the output layer sees, for all time steps of [T, B, ·] at once.</summary>
    private Tensor Readout(Tensor hidden, Tensor before, Tensor attended, NoiseContext context)
    {
        var dropped = KeyedDropout.Apply(hidden, Shape.Dropout, noise.Own(context).Child("lstm"));
        var sum = FusedLinear.Apply(dropped, get_parameter("readout_state")!, get_parameter("readout_bias"), Backend);
        if (Shape.WordToOutput) sum = sum.Plus(before);
        if (Shape.ContextToOutput) sum = sum.Plus(FusedLinear.Apply(attended, get_parameter("readout_context")!, null, Backend));
        return KeyedDropout.Apply(readout.forward(sum, context), Shape.Dropout, noise.Own(context).Child("readout"));
    }

    /// <summary>Steps from one state on.</summary>
    private sealed class Sequence(CaptionModel owner, CaptionState state) : IDisposable
    {
        private readonly NoisyCellSteps lstm = owner.lstm.Steps();
        private readonly AttentionSteps attention = owner.attention.Over(state.Annotations, state.Keys, null);
        private readonly StepLinear? selector =
            owner.selector is null ? null : new(owner.get_parameter("selector_weight")!, owner.get_parameter("selector_bias"), owner.Backend);

        public void Dispose()
        {
            lstm.Dispose();
            attention.Dispose();
            selector?.Dispose();
        }

        internal (Tensor Hidden, Tensor Cell, Tensor Attended, Tensor Weights, Tensor Selected) Step(
            Tensor word, Tensor hidden, Tensor cell, NoiseContext context, bool draw)
        {
            var (attended, weights) = attention.forward(hidden, context);
            var selected = weights.detach();
            if (draw)
            {
                var (place, taken) = Draw(selected, owner.noise.Own(context).Child("draw"));
                var (batch, channels) = (place.shape[0], state.Annotations.shape[2]);
                var drawn = state.Annotations.gather(0, place.reshape(1, batch, 1).expand(1, batch, channels)).squeeze(0);
                var one = zeros_like(selected).scatter_(0, place.unsqueeze(0), ones([1, batch], selected.dtype, place.device));
                attended = where(taken.unsqueeze(-1), drawn, attended);
                selected = where(taken.unsqueeze(0), one, selected);
            }

            if (selector is not null) attended = attended * owner.selector!.forward(selector.Apply(hidden), context);
            var next = lstm.Step(lstm.Project(cat([word, attended], -1)), [hidden, cell], context);
            return (next[0], next[1], attended, weights, selected);
        }
    }
}
