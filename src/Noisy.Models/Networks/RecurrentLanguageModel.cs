using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>Embedding, LSTM or GRU layers, linear output layer: a language model of words (Zaremba's) or of characters.</summary>
/// <remarks>
/// Parameters: <c>encoder</c> [V, E], the layers' under <c>lstm</c> or <c>gru</c>, <c>decoder_weight</c> [V, H],
/// <c>decoder_bias</c> [V]. Dropout acts on the input of every layer and before the output layer, never in time. A state is
/// what the layers carry from window to window: hidden state and, of an LSTM, cell state, each [layers, B, H].
/// Source: paper, Sections 6.1 and 6.3; Zaremba et al., 2014.
/// </remarks>
public sealed class RecurrentLanguageModel : nn.Module
{
    private readonly IRecurrence layers;
    private readonly RecurrentShape shape;
    private readonly ModuleNoise noise;

    /// <summary>Creates the model; every weight but p is U(−range, range), drawn from the clock's key.</summary>
    /// <param name="vocabulary">Number of tokens V.</param>
    /// <param name="shape">Sizes of the layers, time first and in one direction; the input size is the embedding width E.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="initRange">Half-width of the initial weights' interval, &gt; 0.</param>
    /// <param name="clock">The model's clock; two models of one clock begin with the same weights.</param>
    /// <param name="cell">What the layers are made of.</param>
    /// <exception cref="InvalidSpecException">The shape or an activation breaks a rule.</exception>
    public RecurrentLanguageModel(
        int vocabulary, RecurrentShape shape, ActivationPair activations, double initRange, NoiseClock clock, RecurrentKind cell = RecurrentKind.Lstm)
        : base(nameof(RecurrentLanguageModel))
    {
        this.shape = shape.ValidateTimeFirst();
        var (key, first) = (clock.Key.Child("init"), clock.NextModuleId);
        Parameter New(string name, params long[] size)
        {
            var weight = new Parameter(NoiseSource.Uniform(key.Child(name).At(0, 0), size, (float)-initRange, (float)initRange, CPU));
            weight.DetachFromDisposeScope(); // the module owns it, whatever scope it is built in
            return weight;
        }

        register_parameter("encoder", New("encoder", vocabulary, shape.InputSize));
        nn.Module module = cell == RecurrentKind.Gru ? new NoisyGru(shape, activations, clock) : new NoisyLstm(shape, activations, clock);
        layers = (IRecurrence)module;
        noise = new ModuleNoise(clock, first);
        var layersName = cell == RecurrentKind.Gru ? "gru" : "lstm";
        register_module(layersName, module);
        register_parameter("decoder_weight", New("decoder_weight", vocabulary, shape.HiddenSize));
        register_parameter("decoder_bias", New("decoder_bias", vocabulary));
        using var _ = no_grad();
        foreach (var (name, parameter) in module.named_parameters().Where(n => !n.name.StartsWith("p_", StringComparison.Ordinal)))
        {
            using var value = New($"{layersName}.{name}", parameter.shape);
            parameter.copy_(value);
        }
    }

    /// <summary>Which implementation to run on; default the fused engine where it can.</summary>
    public Backend Backend
    {
        get => layers.Backend;
        set => layers.Backend = value;
    }

    /// <summary>Which implementation the last pass ran on.</summary>
    public string LastBackend => layers.LastBackend;

    /// <summary>A zero state for a batch.</summary>
    /// <param name="batch">Streams B.</param>
    /// <param name="device">Where the state lives.</param>
    /// <returns>Hidden state and, of an LSTM, cell state, each [layers, B, H], of the weights' type.</returns>
    public IReadOnlyList<Tensor> ZeroState(long batch, Device device)
    {
        var (type, states) = (get_parameter("decoder_bias")!.dtype, layers.Cell.Layout.States);
        return [.. Enumerable.Range(0, states).Select(_ => zeros([shape.NumLayers, batch, shape.HiddenSize], type, device))];
    }

    /// <summary>Predicts every next token of a window, in the module's mode.</summary>
    /// <inheritdoc cref="forward(Tensor, IReadOnlyList{Tensor}, NoiseContext)"/>
    public (Tensor Logits, IReadOnlyList<Tensor> State) forward(Tensor tokens, IReadOnlyList<Tensor> state) => forward(tokens, state, Next(tokens));

    /// <summary>Predicts every next token of a window.</summary>
    /// <param name="tokens">Token ids [T, B], int64.</param>
    /// <param name="state">State before the window.</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <returns>Logits [T B, V] and the state after the window; owned by the caller.</returns>
    public (Tensor Logits, IReadOnlyList<Tensor> State) forward(Tensor tokens, IReadOnlyList<Tensor> state, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        var (top, next) = Top(tokens, state, context);
        var logits = F.linear(top, get_parameter("decoder_weight")!, get_parameter("decoder_bias"));
        return (logits.MoveToOuterDisposeScope(), Outer(next));
    }

    /// <summary>Negative log-likelihood of the tokens that follow a window's, in the module's mode.</summary>
    /// <inheritdoc cref="Loss(Tensor, Tensor, IReadOnlyList{Tensor}, NoiseContext)"/>
    public (Tensor Sum, IReadOnlyList<Tensor> State) Loss(Tensor tokens, Tensor targets, IReadOnlyList<Tensor> state) =>
        Loss(tokens, targets, state, Next(tokens));

    /// <summary>Negative log-likelihood of the tokens that follow a window's.</summary>
    /// <param name="tokens">Token ids [T, B], int64.</param>
    /// <param name="targets">The next token of each [T B], int64.</param>
    /// <param name="state">State before the window.</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <returns>Sum over all tokens in nats, a scalar, and the state after the window; owned by the caller.</returns>
    public (Tensor Sum, IReadOnlyList<Tensor> State) Loss(Tensor tokens, Tensor targets, IReadOnlyList<Tensor> state, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        var (top, next) = Top(tokens, state, context);
        var sum = LinearCrossEntropy.Sum(top, get_parameter("decoder_weight")!, get_parameter("decoder_bias"), targets, Backend);
        return (sum.MoveToOuterDisposeScope(), Outer(next));
    }

    /// <summary>Negative log-likelihood of some of the tokens that follow a window's, and how many of them are expected most.</summary>
    /// <param name="tokens">Token ids [T, B], int64.</param>
    /// <param name="targets">The next token of each [T B], int64; <see cref="LinearCrossEntropy.IgnoreIndex"/> leaves one out.</param>
    /// <param name="state">State before the window.</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <returns>Sum over the tokens that count, in nats; how many of them no other token has a greater logit than, int64; both
    /// scalars; and the state after the window; owned by the caller.</returns>
    public (Tensor Sum, Tensor Correct, IReadOnlyList<Tensor> State) LossAndCorrect(
        Tensor tokens, Tensor targets, IReadOnlyList<Tensor> state, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        var (top, next) = Top(tokens, state, context);
        var (sum, _, correct) = LinearCrossEntropy.Details(top, get_parameter("decoder_weight")!, get_parameter("decoder_bias"), targets, Backend);
        return (sum.MoveToOuterDisposeScope(), correct.MoveToOuterDisposeScope(), Outer(next));
    }

    private NoiseContext Next(Tensor tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        return noise.Next(training, (int)tokens.shape[0]);
    }

    private static IReadOnlyList<Tensor> Outer(Tensor[] state) => [.. state.Select(s => s.MoveToOuterDisposeScope())];

    /// <summary>What the output layer sees, [T B, H].</summary>
    private (Tensor Top, Tensor[] State) Top(Tensor tokens, IReadOnlyList<Tensor> state, NoiseContext context)
    {
        var embedded = EmbeddingLookup.Rows(get_parameter("encoder")!, tokens, Backend);
        var own = noise.Own(context);
        var x = KeyedDropout.Apply(embedded, shape.Dropout, own.Child("embedding"));
        var results = layers.Run(x, [.. state], context);
        var top = KeyedDropout.Apply(results[0], shape.Dropout, own.Child("output"));
        return (top.reshape(-1, shape.HiddenSize), results[1..]);
    }
}
