using Noisy.Core;
using static TorchSharp.torch;
using Packed = TorchSharp.torch.nn.utils.rnn.PackedSequence;

namespace Noisy.Models;

/// <summary>
/// A GRU with noisy gates: signature, parameter names, shapes and gate order of torch's <c>nn.GRU</c>, so that weights load
/// from one into the other.
/// </summary>
/// <remarks>
/// Parameters for layer k: <c>weight_ih_lk</c> [3H, I], <c>weight_hh_lk</c> [3H, H], <c>bias_ih_lk</c>, <c>bias_hh_lk</c> [3H],
/// gates in the order reset, update, candidate; <c>p_lk</c> [3, H] if the activations have gap gains.
/// Source: paper, Section 6.1 (character model) and 6.4 (translation); torch's form of the candidate.
/// </remarks>
public sealed class NoisyGru : nn.Module<Tensor, Tensor, (Tensor, Tensor)>, IRecurrentLayers
{
    private readonly NoiseClock clock;
    private readonly uint site;
    private readonly NoisyRecurrent recurrent;

    /// <summary>Creates the module; weights U(−1/√H, 1/√H) as in torch, from the clock's key.</summary>
    /// <param name="shape">Sizes, layers, dropout, directions.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="clock">The model's clock; source of key, update and scale.</param>
    /// <exception cref="InvalidSpecException">Shape or activations break a rule.</exception>
    public NoisyGru(RecurrentShape shape, ActivationPair activations, NoiseClock clock)
        : base(nameof(NoisyGru))
    {
        activations.Tanh.Validate();
        activations.Sigmoid.Validate();
        this.clock = clock;
        site = clock.NewModuleId();
        Activations = activations;
        recurrent = new NoisyRecurrent(this, shape, new GruCell(activations), clock.Key.Child("init").Child(site), register_parameter, (n, t) => register_buffer(n, t));
    }

    /// <summary>Sizes, layers, dropout, directions.</summary>
    public RecurrentShape Shape => recurrent.Shape;

    /// <summary>What replaces tanh and sigmoid.</summary>
    public ActivationPair Activations { get; }

    /// <summary>Which implementation to run on; default the fused engine where it can.</summary>
    public Backend Backend
    {
        get => recurrent.Backend;
        set => recurrent.Backend = value;
    }

    /// <summary>Which implementation the last pass ran on: "fused-cpu" or "composed".</summary>
    public string LastBackend => recurrent.LastBackend;

    int IRecurrentLayers.States => recurrent.States;

    /// <summary>Runs the layers in the module's mode.</summary>
    /// <param name="input">[T, B, I], or [B, T, I] if batch first; [T, I] for one example alone.</param>
    /// <param name="state">Initial hidden state [layers × directions, B, H] (without B for one example alone); null starts from zeros.</param>
    /// <returns>Output [T, B, H × directions] (or batch first) and final hidden state; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public override (Tensor, Tensor) forward(Tensor input, Tensor? state = null) =>
        forward(input, state, clock.Context(site, training, recurrent.Steps(input, One(state))));

    /// <summary>Runs the layers as the context says, whatever the module's mode.</summary>
    /// <param name="input">[T, B, I], or [B, T, I] if batch first; [T, I] for one example alone.</param>
    /// <param name="state">Initial hidden state [layers × directions, B, H] (without B for one example alone); null starts from zeros.</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <returns>Output and final hidden state; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public (Tensor Output, Tensor Hidden) forward(Tensor input, Tensor? state, NoiseContext context)
    {
        var (output, final) = recurrent.Forward(input, One(state), context);
        return (output, final[0]);
    }

    /// <summary>Does nothing: torch's GRU puts its weights in one piece of memory for a GPU's library, which has no part here. So that
    /// models which call it compile and run.</summary>
    public void flatten_parameters()
    {
    }

    /// <summary>Runs the layers over examples of different lengths in the module's mode, as torch's <c>nn.GRU</c> does.</summary>
    /// <param name="input">Examples packed by <c>nn.utils.rnn</c>; <see cref="RecurrentShape.BatchFirst"/> has no say in their layout.</param>
    /// <param name="state">Initial state [layers × directions, B, H], in the order that the examples had before they were packed; null
    /// starts from zeros.</param>
    /// <returns>Output, packed as the input is; state of each example after its last element (in the backward direction after its
    /// first), in the order of <paramref name="state"/>; owned by the caller.</returns>
    /// <remarks>The noise of an element goes by its time step and its example's place in the packed order, the longest first: it is that
    /// of a padded pass over the examples in that order.</remarks>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public (Packed Output, Tensor Hidden) call(Packed input, Tensor? state = null) =>
        call(input, state, clock.Context(site, training, recurrent.Steps(input, One(state))));

    /// <summary>The same as the context says, whatever the module's mode.</summary>
    /// <param name="input">Examples packed by <c>nn.utils.rnn</c>.</param>
    /// <param name="state">Initial state; null starts from zeros.</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <returns>Output and final state; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public (Packed Output, Tensor Hidden) call(Packed input, Tensor? state, NoiseContext context)
    {
        var (output, final) = recurrent.Forward(input, One(state), context);
        return (output, final[0]);
    }

    private static Tensor[]? One(Tensor? state) => state is null ? null : [state];

    (Tensor Output, Tensor[] States) IRecurrentLayers.Forward(Tensor input, Tensor[]? states, NoiseContext context) =>
        recurrent.Forward(input, states, context);
}
