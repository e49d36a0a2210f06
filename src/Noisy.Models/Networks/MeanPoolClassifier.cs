using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>Embedding, LSTM layers, mean over time, one hidden layer of ReLUs, linear output layer: classifies sequences.</summary>
/// <remarks>
/// Parameters: <c>encoder</c> [V, E], the LSTM's, <c>hidden_weight</c> [M, H], <c>hidden_bias</c> [M], <c>output_weight</c> [C, M],
/// <c>output_bias</c> [C]. The LSTM's activations are the noisy ones; a ReLU is not a saturating pair's counterpart and stays.
/// Source: paper, Section 6.6 (counting unique elements).
/// </remarks>
public sealed class MeanPoolClassifier : nn.Module
{
    private readonly NoisyLstm lstm;
    private readonly ModuleNoise noise;

    /// <summary>Creates the model from the clock's key: embedding U(−1, 1), LSTM and linear layers as torch has them,
    /// U(−1/√n, 1/√n) with n the layer's inputs (LSTM: its units).</summary>
    /// <param name="vocabulary">Number of different elements V, ≥ 1.</param>
    /// <param name="shape">LSTM sizes, time first and in one direction; the input size is the embedding width E.</param>
    /// <param name="hidden">Units M of the hidden layer, ≥ 1.</param>
    /// <param name="classes">Number of classes C, ≥ 1.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="clock">The model's clock; two models of one clock begin with the same embedding and linear layers.</param>
    /// <exception cref="InvalidSpecException">The shape or an activation breaks a rule.</exception>
    public MeanPoolClassifier(int vocabulary, RecurrentShape shape, int hidden, int classes, ActivationPair activations, NoiseClock clock)
        : base(nameof(MeanPoolClassifier))
    {
        shape.ValidateTimeFirst();
        var (key, first) = (clock.Key.Child("init"), clock.NextModuleId);
        New("encoder", 1, vocabulary, shape.InputSize);
        lstm = new NoisyLstm(shape, activations, clock);
        register_module("lstm", lstm);
        noise = new ModuleNoise(clock, first);
        New("hidden_weight", shape.HiddenSize, hidden, shape.HiddenSize);
        New("hidden_bias", shape.HiddenSize, hidden);
        New("output_weight", hidden, classes, hidden);
        New("output_bias", hidden, classes);

        void New(string name, long inputs, params long[] size)
        {
            var bound = (float)(1 / Math.Sqrt(inputs));
            var weight = new Parameter(NoiseSource.Uniform(key.Child(name).At(0, 0), size, -bound, bound, CPU));
            weight.DetachFromDisposeScope(); // the module owns it, whatever scope it is built in
            register_parameter(name, weight);
        }
    }

    /// <summary>Which implementation to run on; default the fused engine where it can.</summary>
    public Backend Backend
    {
        get => lstm.Backend;
        set => lstm.Backend = value;
    }

    /// <summary>Which implementation the last pass ran on.</summary>
    public string LastBackend => lstm.LastBackend;

    /// <summary>Classifies sequences of one length in the module's mode.</summary>
    /// <inheritdoc cref="forward(Tensor, NoiseContext)"/>
    public Tensor forward(Tensor elements)
    {
        Check(elements);
        return forward(elements, noise.Next(training, (int)elements.shape[0]));
    }

    /// <summary>Classifies sequences of one length.</summary>
    /// <param name="elements">Ids [T, B], int64, each in [0, V).</param>
    /// <param name="context">Mode, key, update and scale.</param>
    /// <returns>Logits [B, C]; owned by the caller.</returns>
    /// <exception cref="ArgumentException">The elements do not fit.</exception>
    public Tensor forward(Tensor elements, NoiseContext context)
    {
        Check(elements);
        using var scope = NewDisposeScope();
        var embedded = EmbeddingLookup.Rows(get_parameter("encoder")!, elements, Backend);
        var (output, _, _) = lstm.forward(embedded, null, context);
        var pooled = output.mean([0]);
        var hidden = F.linear(pooled, get_parameter("hidden_weight")!, get_parameter("hidden_bias")).relu();
        return F.linear(hidden, get_parameter("output_weight")!, get_parameter("output_bias")).MoveToOuterDisposeScope();
    }

    private static void Check(Tensor elements)
    {
        ArgumentNullException.ThrowIfNull(elements);
        if (elements.dim() != 2) throw new ArgumentException($"elements are {Operand.Shape(elements)}: must be [T, B]", nameof(elements));
    }
}
