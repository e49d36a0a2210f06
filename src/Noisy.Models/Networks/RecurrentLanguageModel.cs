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
    private readonly string layersName;
    private readonly IRecurrentLayers layers;
    private readonly double dropout;

    /// <summary>Creates the model; every weight but p is U(−range, range), drawn from the clock's key.</summary>
    /// <param name="vocabulary">Number of tokens V.</param>
    /// <param name="shape">Sizes of the layers; the input size is the embedding width E.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="initRange">Half-width of the initial weights' interval, &gt; 0.</param>
    /// <param name="clock">The model's clock.</param>
    /// <param name="cell">What the layers are made of.</param>
    public RecurrentLanguageModel(
        int vocabulary, RecurrentShape shape, ActivationPair activations, double initRange, NoiseClock clock, RecurrentKind cell = RecurrentKind.Lstm)
        : base(nameof(RecurrentLanguageModel))
    {
        dropout = shape.Dropout;
        var key = clock.Key.Child("init");
        Parameter New(string name, params long[] size)
        {
            var weight = new Parameter(NoiseSource.Uniform(key.Child(name).At(0, 0), size, (float)-initRange, (float)initRange, CPU));
            weight.DetachFromDisposeScope(); // the module owns it, whatever scope it is built in
            return weight;
        }

        register_parameter("encoder", New("encoder", vocabulary, shape.InputSize));
        nn.Module module = cell == RecurrentKind.Gru ? new NoisyGru(shape, activations, clock) : new NoisyLstm(shape, activations, clock);
        (layersName, layers) = (cell == RecurrentKind.Gru ? "gru" : "lstm", (IRecurrentLayers)module);
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
    /// <param name="batch">Columns B.</param>
    /// <param name="device">Where the state lives.</param>
    /// <returns>Hidden state and, of an LSTM, cell state, each [layers, B, H].</returns>
    public IReadOnlyList<Tensor> ZeroState(long batch, Device device) =>
        [.. Enumerable.Range(0, layers.States).Select(_ => zeros(layers.Shape.NumLayers, batch, layers.Shape.HiddenSize, device: device))];

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
    public (Tensor Sum, Tensor Correct, IReadOnlyList<Tensor> State) Score(
        Tensor tokens, Tensor targets, IReadOnlyList<Tensor> state, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        var (top, next) = Top(tokens, state, context);
        var (sum, _, correct) = LinearCrossEntropy.Score(top, get_parameter("decoder_weight")!, get_parameter("decoder_bias"), targets, Backend);
        return (sum.MoveToOuterDisposeScope(), correct.MoveToOuterDisposeScope(), Outer(next));
    }

    private static IReadOnlyList<Tensor> Outer(Tensor[] state) => [.. state.Select(s => s.MoveToOuterDisposeScope())];

    /// <summary>What the output layer sees, [T B, H].</summary>
    private (Tensor Top, Tensor[] State) Top(Tensor tokens, IReadOnlyList<Tensor> state, NoiseContext context)
    {
        var embedded = EmbeddingLookup.Rows(get_parameter("encoder")!, tokens, Backend);
        var x = KeyedDropout.Apply(embedded, dropout, context.Child("embedding"));
        var (output, next) = layers.Forward(x, [.. state], context.Child(layersName));
        var top = KeyedDropout.Apply(output, dropout, context.Child("output"));
        return (top.reshape(-1, layers.Shape.HiddenSize), next);
    }
}
