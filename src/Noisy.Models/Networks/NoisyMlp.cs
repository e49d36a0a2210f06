using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Linear layers with a noisy activation after each but the last: a multilayer perceptron.</summary>
/// <remarks>
/// Parameters of layer i: <c>weight_i</c> [out, in], <c>bias_i</c> [out] and, of a hidden layer whose activation has gap gains,
/// <c>activation_i.p</c> [out]. <c>forward(x)</c> is torch's plain face and asks the clock;
/// <see cref="forward(Tensor, NoiseContext)"/> is the pure one. Source: paper, Section 6.1; decision 17.
/// </remarks>
public sealed class NoisyMlp : nn.Module<Tensor, Tensor>
{
    private readonly ModuleNoise noise;
    private readonly NoisyActivation[] activations;
    private Backend backend = FusedEngine.Default;

    /// <summary>Creates the module; its weights are U(−a, a) with a = √(6 / (in + out)), drawn from the clock's key, so that they
    /// are the same whatever the activation; biases are 0.</summary>
    /// <param name="widths">Width of the input, of each hidden layer and of the output, each ≥ 1; at least two.</param>
    /// <param name="activation">Activation of all hidden layers.</param>
    /// <param name="clock">The model's clock; source of key, update and scale.</param>
    /// <param name="name">Name of the module, for torch, and of its initial weights' key: networks of one clock and one name begin with the same
    /// weights, so an actor and a critic, or the members of an ensemble, need a name each.</param>
    /// <exception cref="ArgumentException">There are fewer than two widths, or one is below 1.</exception>
    /// <exception cref="InvalidSpecException">The spec breaks a rule.</exception>
    /// <remarks>Source of the weights' interval: Glorot and Bengio, "Understanding the difficulty of training deep feedforward
    /// neural networks", AISTATS 2010.</remarks>
    public NoisyMlp(IReadOnlyList<long> widths, NoisyActivationSpec activation, NoiseClock clock, string name = nameof(NoisyMlp))
        : base(name)
    {
        if (widths.Count < 2 || widths.Any(w => w < 1))
            throw new ArgumentException($"widths are {string.Join(", ", widths)}: must be two or more, each >= 1", nameof(widths));
        Widths = [.. widths];
        noise = new ModuleNoise(clock);
        activations = new NoisyActivation[widths.Count - 2];
        var key = clock.Key.Child("init").Child(name);
        for (var layer = 0; layer < widths.Count - 1; layer++)
        {
            var (inputs, outputs) = (widths[layer], widths[layer + 1]);
            var bound = (float)Math.Sqrt(6.0 / (inputs + outputs));
            New($"weight_{layer}", NoiseSource.Uniform(key.Child((uint)layer).At(0, 0), [outputs, inputs], -bound, bound, CPU));
            New($"bias_{layer}", FusedEngine.Zeros(outputs));
            if (layer == activations.Length) continue;
            activations[layer] = new NoisyActivation(activation, outputs, clock, $"activation_{layer}");
            register_module($"activation_{layer}", activations[layer]);
        }

        noise.IncludeParts();

        void New(string parameter, Tensor value)
        {
            var weight = new Parameter(value);
            weight.DetachFromDisposeScope(); // the module owns it, whatever scope it is built in
            register_parameter(parameter, weight);
        }
    }

    /// <summary>Width of the input, of each hidden layer and of the output.</summary>
    public IReadOnlyList<long> Widths { get; }

    /// <summary>The activations of the hidden layers, the lowest first.</summary>
    public IReadOnlyList<NoisyActivation> Activations => activations;

    /// <summary>Which implementation the layers are to run on; default the fused engine where it can, and for products where it is
    /// the faster one.</summary>
    public Backend Backend
    {
        get => backend;
        set
        {
            backend = value;
            foreach (var activation in activations) activation.Backend = value;
        }
    }

    /// <summary>Which implementation the activations ran on in the last pass; a network without hidden layers, which has none, says composed.</summary>
    public string LastBackend => activations.Length == 0 ? FusedEngine.ComposedName : activations[0].LastBackend;

    /// <summary>Applies the layers in the module's mode.</summary>
    /// <param name="x">[.., in].</param>
    /// <returns>[.., out], with noise in training and with its expectation in <c>eval()</c>; owned by the caller.</returns>
    /// <exception cref="ArgumentException">x is of another width or type.</exception>
    public override Tensor forward(Tensor x)
    {
        Check(x);
        return forward(x, noise.Next(training));
    }

    /// <summary>Applies the layers as the context says, whatever the module's mode.</summary>
    /// <param name="x">[.., in].</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>[.., out]; owned by the caller.</returns>
    /// <exception cref="ArgumentException">x is of another width or type.</exception>
    public Tensor forward(Tensor x, NoiseContext context)
    {
        Check(x);
        using var scope = NewDisposeScope();
        for (var layer = 0; layer < activations.Length; layer++) x = Activate(layer, Linear(layer, x), context);
        return Linear(activations.Length, x).MoveToOuterDisposeScope();
    }

    /// <summary>What each hidden unit does with each example: the numbers behind the paper's pictures of units.</summary>
    /// <param name="x">[B, in].</param>
    /// <param name="context">Mode, key, update, time step and scale of a pass.</param>
    /// <returns>One trace a hidden layer, the lowest first. Values and slopes are the reference's, at the noise of that
    /// pass.</returns>
    internal IReadOnlyList<LayerTrace> Trace(Tensor x, NoiseContext context)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        List<LayerTrace> traces = [];
        for (var layer = 0; layer < activations.Length; layer++)
        {
            var pre = Linear(layer, x);
            traces.Add(LayerTrace.Create(activations[layer], pre, context));
            x = Activate(layer, pre, context);
        }

        return traces;
    }

    private void Check(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (x.dim() == 0 || x.shape[^1] != Widths[0])
            throw new ArgumentException($"x is {Operand.Shape(x)}: its last dimension must be {Widths[0]}", nameof(x));
        Operand.Like(get_parameter("weight_0")!, x, nameof(x));
    }

    private Tensor Linear(int layer, Tensor x) => FusedLinear.Apply(x, get_parameter($"weight_{layer}")!, get_parameter($"bias_{layer}"), Backend);

    private Tensor Activate(int layer, Tensor pre, NoiseContext context) => activations[layer].forward(pre, context);
}
