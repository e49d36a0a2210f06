using Noisy.Core;
using static TorchSharp.torch;
using Packed = TorchSharp.torch.nn.utils.rnn.PackedSequence;

namespace Noisy.Models;

/// <summary>
/// An LSTM with noisy gates: signature, parameter names, shapes and gate order of torch's <c>nn.LSTM</c>, so that weights
/// load from one into the other. Every gate and the cell output has its own gap gains and its own noise.
/// </summary>
/// <remarks>
/// Parameters for layer k: <c>weight_ih_lk</c> [4H, I], <c>weight_hh_lk</c> [4H, H], <c>bias_ih_lk</c>, <c>bias_hh_lk</c> [4H] (if there are biases),
/// gates in the order input, forget, candidate, output; <c>p_lk</c> [5, H] (if the activations have gap gains), the fifth
/// row for the cell output. Noise is drawn anew for each unit, example and time step (decision 10).
/// Source: paper, Section 6.3; five sites a layer.
/// </remarks>
public sealed class NoisyLstm : RecurrentModule<(Tensor Hidden, Tensor Cell)?, (Tensor Output, Tensor Hidden, Tensor Cell)>
{
    /// <summary>Creates the module; weights U(−1/√H, 1/√H) as in torch, from the clock's key.</summary>
    /// <param name="shape">Sizes, layers, biases, dropout, directions.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="clock">The model's clock; source of key, update and scale.</param>
    /// <param name="device">Where the parameters live; null is the CPU.</param>
    /// <param name="dtype">Their type; null is single precision.</param>
    /// <exception cref="InvalidSpecException">Shape or activations break a rule.</exception>
    public NoisyLstm(RecurrentShape shape, ActivationPair activations, NoiseClock clock, Device? device = null, ScalarType? dtype = null)
        : base(nameof(NoisyLstm), activations, clock, (module, noise) => new RecurrentLayers(module, shape, new LstmCell(activations), noise), device, dtype)
    {
    }

    /// <summary>Creates the module from the arguments of torch's <c>nn.LSTM</c>; weights U(−1/√H, 1/√H) as there, from the clock's key.</summary>
    /// <param name="inputSize">Features I of an input element, ≥ 1.</param>
    /// <param name="hiddenSize">Units H of a layer, ≥ 1.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="clock">The model's clock; source of key, update and scale.</param>
    /// <param name="numLayers">Stacked layers, ≥ 1.</param>
    /// <param name="bias">Whether there are biases.</param>
    /// <param name="batchFirst">Whether input and output are [B, T, ·] instead of [T, B, ·].</param>
    /// <param name="dropout">Dropout on the output of every layer but the last, in [0, 1).</param>
    /// <param name="bidirectional">Whether each layer also runs backwards; outputs are then 2H wide.</param>
    /// <param name="device">Where the parameters live; null is the CPU.</param>
    /// <param name="dtype">Their type; null is single precision.</param>
    /// <exception cref="InvalidSpecException">A size, the dropout or an activation breaks a rule.</exception>
    public NoisyLstm(
        long inputSize, long hiddenSize, ActivationPair activations, NoiseClock clock, long numLayers = 1, bool bias = true,
        bool batchFirst = false, double dropout = 0, bool bidirectional = false, Device? device = null, ScalarType? dtype = null)
        : this(new RecurrentShape(inputSize, hiddenSize, checked((int)numLayers), bias, batchFirst, dropout, bidirectional), activations, clock, device, dtype)
    {
    }

    /// <summary>Sizes, layers, biases, dropout, directions.</summary>
    public RecurrentShape Shape => Layers.Shape;

    private RecurrentLayers Layers => (RecurrentLayers)Recurrence;

    /// <summary>Does nothing: torch's LSTM puts its weights in one piece of memory for a GPU's library, which has no part here. So that
    /// models which call it compile and run.</summary>
    public void flatten_parameters()
    {
    }

    /// <summary>A pass in the module's mode.</summary>
    /// <param name="input">As in <see cref="RecurrentModule{TState, TResult}.forward(Tensor, TState)"/>.</param>
    /// <param name="state">Hidden and cell state before it.</param>
    /// <returns>As in <see cref="RecurrentModule{TState, TResult}.forward(Tensor, TState)"/>; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public (Tensor Output, Tensor Hidden, Tensor Cell) forward(Tensor input, (Tensor Hidden, Tensor Cell) state) =>
        forward(input, ((Tensor Hidden, Tensor Cell)?)state);

    /// <summary>A pass as the context says, whatever the module's mode.</summary>
    /// <param name="input">As in <see cref="RecurrentModule{TState, TResult}.forward(Tensor, TState)"/>.</param>
    /// <param name="state">Hidden and cell state before it.</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <returns>As in <see cref="RecurrentModule{TState, TResult}.forward(Tensor, TState)"/>; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public (Tensor Output, Tensor Hidden, Tensor Cell) forward(Tensor input, (Tensor Hidden, Tensor Cell) state, NoiseContext context) =>
        forward(input, ((Tensor Hidden, Tensor Cell)?)state, context);

    /// <summary>A pass in the module's mode, hooks included.</summary>
    /// <inheritdoc cref="forward(Tensor, ValueTuple{Tensor, Tensor})"/>
    public (Tensor Output, Tensor Hidden, Tensor Cell) call(Tensor input, (Tensor Hidden, Tensor Cell) state) =>
        call(input, ((Tensor Hidden, Tensor Cell)?)state);

    /// <summary>Runs the layers over examples of different lengths in the module's mode, as torch's <c>nn.LSTM</c> does.</summary>
    /// <param name="input">Examples packed by <c>nn.utils.rnn</c>; <see cref="RecurrentShape.BatchFirst"/> has no say in their layout.</param>
    /// <param name="state">Initial hidden and cell state, [layers × directions, B, H] each, in the order that the examples had before they were
    /// packed; null starts from zeros.</param>
    /// <returns>Output, packed as the input is; hidden and cell state of each example after its last element (in the backward direction after
    /// its first), in the order of <paramref name="state"/>; owned by the caller.</returns>
    /// <remarks>The noise of an element goes by its time step and its example's place in the packed order, the longest first: it is that
    /// of a padded pass over the examples in that order.</remarks>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public (Packed Output, Tensor Hidden, Tensor Cell) call(Packed input, (Tensor Hidden, Tensor Cell)? state = null) =>
        call(input, state, Noise.Next(training, Layers.TimeSteps(input, Split(state))));

    /// <summary>The same as the context says, whatever the module's mode.</summary>
    /// <param name="input">Examples packed by <c>nn.utils.rnn</c>.</param>
    /// <param name="state">Initial hidden and cell state; null starts from zeros.</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <returns>Output and final hidden and cell state; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public (Packed Output, Tensor Hidden, Tensor Cell) call(Packed input, (Tensor Hidden, Tensor Cell)? state, NoiseContext context)
    {
        NoteReached();
        var (output, final) = Layers.Run(input, Split(state), context);
        return (output, final[0], final[1]);
    }

    internal override Tensor[]? Split((Tensor Hidden, Tensor Cell)? state) => state is { } s ? [s.Hidden, s.Cell] : null;

    internal override (Tensor Output, Tensor Hidden, Tensor Cell) Join(Tensor[] results) => (results[0], results[1], results[2]);
}
