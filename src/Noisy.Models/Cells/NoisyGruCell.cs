using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>
/// One time step of a GRU with noisy gates: signature, parameter names, shapes and gate order of torch's <c>nn.GRUCell</c>. For models
/// that decide between the steps, such as a decoder with attention; whole sequences are faster in <see cref="NoisyGru"/>.
/// </summary>
/// <remarks>
/// Parameters: <c>weight_ih</c> [3H, I], <c>weight_hh</c> [3H, H], <c>bias_ih</c>, <c>bias_hh</c> [3H], gates in the order
/// reset, update, candidate; <c>p</c> [3, H] if the activations have gap gains. A step's
/// noise is that of the same time step of <see cref="NoisyGru"/> under the same context. Source: paper, Sections 6.4 and 6.5.
/// </remarks>
public sealed class NoisyGruCell : nn.Module<Tensor, Tensor, Tensor>
{
    private readonly NoiseClock clock;
    private readonly uint site;
    private readonly NoisyCell core;

    /// <summary>Creates the module; weights U(−1/√H, 1/√H) as in torch, from the clock's key.</summary>
    /// <param name="inputSize">Features I of an input, ≥ 1.</param>
    /// <param name="hiddenSize">Units H, ≥ 1.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="clock">The model's clock; source of key, update and scale.</param>
    /// <exception cref="InvalidSpecException">The activations break a rule.</exception>
    public NoisyGruCell(long inputSize, long hiddenSize, ActivationPair activations, NoiseClock clock)
        : base(nameof(NoisyGruCell))
    {
        activations.Tanh.Validate();
        activations.Sigmoid.Validate();
        this.clock = clock;
        site = clock.NewModuleId();
        Activations = activations;
        core = new NoisyCell(
            this, new GruCell(activations), inputSize, hiddenSize, clock.Key.Child("init").Child(site), register_parameter, (n, t) => register_buffer(n, t));
    }

    /// <summary>What replaces tanh and sigmoid.</summary>
    public ActivationPair Activations { get; }

    /// <summary>Features I of an input.</summary>
    public long InputSize => core.InputSize;

    /// <summary>Units H.</summary>
    public long HiddenSize => core.HiddenSize;

    /// <summary>Which implementation the activations run on; default the fused engine where it can.</summary>
    public Backend Backend
    {
        get => core.Backend;
        set => core.Backend = value;
    }

    /// <summary>Which implementation the gates of the last step ran on, by the name that summaries use.</summary>
    public string LastBackend => core.LastBackend;

    /// <summary>One step in the module's mode; each call in an update is the next time step.</summary>
    /// <param name="input">[B, I], or [I] for one example alone.</param>
    /// <param name="state">Hidden state [B, H]; null starts from zeros.</param>
    /// <returns>Hidden state [B, H] after the step; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public override Tensor forward(Tensor input, Tensor? state = null)
    {
        core.Check(input, state is null ? null : [state]);
        return forward(input, state, clock.Context(site, training));
    }

    /// <summary>One step as the context says, whatever the module's mode.</summary>
    /// <param name="input">[B, I], or [I] for one example alone.</param>
    /// <param name="state">Hidden state [B, H]; null starts from zeros.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>Hidden state [B, H] after the step; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public Tensor forward(Tensor input, Tensor? state, NoiseContext context) =>
        core.Forward(input, state is null ? null : [state], context)[0];

    /// <summary>The steps of one sequence, for models that take a step by themselves: the gradients in the weights are then made for
    /// all of them in one product.</summary>
    /// <returns>To be used for one sequence and one way back.</returns>
    public NoisyCellSteps Steps() => core.Steps();
}
