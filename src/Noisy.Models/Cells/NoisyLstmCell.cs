using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>
/// One time step of an LSTM with noisy gates: signature, parameter names, shapes and gate order of torch's <c>nn.LSTMCell</c>. For models
/// that decide between the steps, such as a decoder with attention; whole sequences are faster in <see cref="NoisyLstm"/>.
/// </summary>
/// <remarks>
/// Parameters: <c>weight_ih</c> [4H, I], <c>weight_hh</c> [4H, H], <c>bias_ih</c>, <c>bias_hh</c> [4H], gates in the order
/// input, forget, candidate, output; <c>p</c> [5, H] if the activations have gap gains. A step's
/// noise is that of the same time step of <see cref="NoisyLstm"/> under the same context. Source: paper, Sections 6.4 and 6.5.
/// </remarks>
public sealed class NoisyLstmCell : nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor)>
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
    public NoisyLstmCell(long inputSize, long hiddenSize, ActivationPair activations, NoiseClock clock)
        : base(nameof(NoisyLstmCell))
    {
        activations.Tanh.Validate();
        activations.Sigmoid.Validate();
        this.clock = clock;
        site = clock.NewModuleId();
        Activations = activations;
        core = new NoisyCell(
            this, new LstmCell(activations), inputSize, hiddenSize, clock.Key.Child("init").Child(site), register_parameter, (n, t) => register_buffer(n, t));
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
    /// <param name="state">Hidden and cell state, each [B, H], or [H]; null starts from zeros.</param>
    /// <returns>Hidden and cell state after the step, each [B, H], or [H]; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public override (Tensor, Tensor) forward(Tensor input, (Tensor, Tensor)? state = null)
    {
        core.Check(input, Pair(state));
        return forward(input, state, clock.Context(site, training));
    }

    /// <summary>One step as the context says, whatever the module's mode.</summary>
    /// <param name="input">[B, I], or [I] for one example alone.</param>
    /// <param name="state">Hidden and cell state, each [B, H], or [H]; null starts from zeros.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>Hidden and cell state after the step, each [B, H], or [H]; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public (Tensor Hidden, Tensor Cell) forward(Tensor input, (Tensor Hidden, Tensor Cell)? state, NoiseContext context)
    {
        var next = core.Forward(input, Pair(state), context);
        return (next[0], next[1]);
    }

    /// <summary>The steps of one sequence, for models that take a step by themselves: the gradients in the weights are then made for
    /// all of them in one product.</summary>
    /// <returns>To be used for one sequence and one way back.</returns>
    public NoisyCellSteps Steps() => core.Steps();

    private static Tensor[]? Pair((Tensor Hidden, Tensor Cell)? state) => state is { } s ? [s.Hidden, s.Cell] : null;
}
