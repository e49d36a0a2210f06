using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>Embedding, LSTM layers, linear output layer: Zaremba's language model.</summary>
/// <remarks>
/// Parameters: <c>encoder</c> [V, E], the LSTM's, <c>decoder_weight</c> [V, H], <c>decoder_bias</c> [V]. Dropout acts on the
/// input of every layer and before the output layer, never in time. Source: paper, Section 6.3; Zaremba et al., 2014.
/// </remarks>
public sealed class RecurrentLanguageModel : nn.Module
{
    private readonly NoisyLstm lstm;
    private readonly double dropout;

    /// <summary>Creates the model; every weight but p is U(−range, range), drawn from the clock's key.</summary>
    /// <param name="vocabulary">Number of tokens V.</param>
    /// <param name="shape">LSTM sizes; the input size is the embedding width E.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="initRange">Half-width of the initial weights' interval, &gt; 0.</param>
    /// <param name="clock">The model's clock.</param>
    public RecurrentLanguageModel(int vocabulary, RecurrentShape shape, ActivationPair activations, double initRange, NoiseClock clock)
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
        lstm = new NoisyLstm(shape, activations, clock);
        register_module("lstm", lstm);
        register_parameter("decoder_weight", New("decoder_weight", vocabulary, shape.HiddenSize));
        register_parameter("decoder_bias", New("decoder_bias", vocabulary));
        using var _ = no_grad();
        foreach (var (name, parameter) in lstm.named_parameters().Where(n => !n.name.StartsWith("p_", StringComparison.Ordinal)))
        {
            using var value = New("lstm." + name, parameter.shape);
            parameter.copy_(value);
        }
    }

    /// <summary>Which implementation to run on; default the fused engine where it can.</summary>
    public EnginePath Engine
    {
        get => lstm.Engine;
        set => lstm.Engine = value;
    }

    /// <summary>Which implementation the last pass ran on.</summary>
    public string LastPath => lstm.LastPath;

    /// <summary>A zero state for a batch.</summary>
    /// <param name="batch">Columns B.</param>
    /// <param name="device">Where the state lives.</param>
    /// <returns>Hidden and cell state, each [layers, B, H].</returns>
    public (Tensor Hidden, Tensor Cell) ZeroState(long batch, Device device) =>
        (zeros(lstm.Shape.NumLayers, batch, lstm.Shape.HiddenSize, device: device),
         zeros(lstm.Shape.NumLayers, batch, lstm.Shape.HiddenSize, device: device));

    /// <summary>Predicts every next token of a window.</summary>
    /// <param name="tokens">Token ids [T, B], int64.</param>
    /// <param name="state">Hidden and cell state before the window.</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <returns>Logits [T B, V] and the state after the window; owned by the caller.</returns>
    public (Tensor Logits, (Tensor Hidden, Tensor Cell) State) forward(Tensor tokens, (Tensor Hidden, Tensor Cell) state, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        var (top, next) = Top(tokens, state, context);
        var logits = F.linear(top, get_parameter("decoder_weight")!, get_parameter("decoder_bias"));
        return (logits.MoveToOuterDisposeScope(), (next.Hidden.MoveToOuterDisposeScope(), next.Cell.MoveToOuterDisposeScope()));
    }

    /// <summary>Negative log-likelihood of the tokens that follow a window's.</summary>
    /// <param name="tokens">Token ids [T, B], int64.</param>
    /// <param name="targets">The next token of each [T B], int64.</param>
    /// <param name="state">Hidden and cell state before the window.</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <returns>Sum over all tokens in nats, a scalar, and the state after the window; owned by the caller.</returns>
    public (Tensor Sum, (Tensor Hidden, Tensor Cell) State) Loss(Tensor tokens, Tensor targets, (Tensor Hidden, Tensor Cell) state, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        var (top, next) = Top(tokens, state, context);
        var sum = LinearCrossEntropy.Sum(top, get_parameter("decoder_weight")!, get_parameter("decoder_bias"), targets, Engine);
        return (sum.MoveToOuterDisposeScope(), (next.Hidden.MoveToOuterDisposeScope(), next.Cell.MoveToOuterDisposeScope()));
    }

    /// <summary>Negative log-likelihood of some of the tokens that follow a window's, and how many of them are expected most.</summary>
    /// <param name="tokens">Token ids [T, B], int64.</param>
    /// <param name="targets">The next token of each [T B], int64; <see cref="LinearCrossEntropy.IgnoreIndex"/> leaves one out.</param>
    /// <param name="state">Hidden and cell state before the window.</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <returns>Sum over the tokens that count, in nats; how many of them no other token has a greater logit than, int64; both
    /// scalars; and the state after the window; owned by the caller.</returns>
    public (Tensor Sum, Tensor Correct, (Tensor Hidden, Tensor Cell) State) Score(
        Tensor tokens, Tensor targets, (Tensor Hidden, Tensor Cell) state, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        var (top, next) = Top(tokens, state, context);
        var (sum, correct) = LinearCrossEntropy.Score(top, get_parameter("decoder_weight")!, get_parameter("decoder_bias"), targets, Engine);
        return (sum.MoveToOuterDisposeScope(), correct.MoveToOuterDisposeScope(),
            (next.Hidden.MoveToOuterDisposeScope(), next.Cell.MoveToOuterDisposeScope()));
    }

    /// <summary>What the output layer sees, [T B, H].</summary>
    private (Tensor Top, (Tensor Hidden, Tensor Cell) State) Top(Tensor tokens, (Tensor Hidden, Tensor Cell) state, NoiseContext context)
    {
        var embedded = EmbeddingLookup.Rows(get_parameter("encoder")!, tokens, Engine);
        var x = KeyedDropout.Apply(embedded, dropout, context.Child("embedding"));
        var (output, hidden, cell) = lstm.forward(x, state, context.Child("lstm"));
        var top = KeyedDropout.Apply(output, dropout, context.Child("output"));
        return (top.reshape(-1, lstm.Shape.HiddenSize), (hidden, cell));
    }
}
