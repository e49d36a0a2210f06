using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>
/// One time step of a GRU with noisy gates: signature, parameter names, shapes and gate order of torch's <c>nn.GRUCell</c>. For models
/// that decide between the steps, such as a decoder with attention; whole sequences are faster in <see cref="NoisyGru"/>.
/// </summary>
/// <remarks>
/// Parameters: <c>weight_ih</c> [3H, I], <c>weight_hh</c> [3H, H], <c>bias_ih</c>, <c>bias_hh</c> [3H] (if there are biases), gates in the order
/// reset, update, candidate; <c>p</c> [3, H] if the activations have gap gains. A step's
/// noise is that of the same time step of <see cref="NoisyGru"/> with the same module id under the same context. Source: paper, Sections 6.4 and 6.5.
/// </remarks>
public sealed class NoisyGruCell : RecurrentModule<Tensor, Tensor>
{
    /// <summary>Creates the module from the arguments of torch's <c>nn.GRUCell</c>; weights U(−1/√H, 1/√H) as there, from the clock's key.</summary>
    /// <param name="inputSize">Features I of an input, ≥ 1.</param>
    /// <param name="hiddenSize">Units H, ≥ 1.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="clock">The model's clock; source of key, update and scale.</param>
    /// <param name="bias">Whether there are biases.</param>
    /// <param name="device">Where the parameters live; null is the CPU.</param>
    /// <param name="dtype">Their type; null is single precision.</param>
    /// <exception cref="InvalidSpecException">The activations break a rule.</exception>
    public NoisyGruCell(
        long inputSize, long hiddenSize, ActivationPair activations, NoiseClock clock, bool bias = true, Device? device = null, ScalarType? dtype = null)
        : base(
            nameof(NoisyGruCell), activations, clock, (module, noise) => new NoisyCell(module, new GruCell(activations), inputSize, hiddenSize, bias, noise), device, dtype)
    {
    }

    /// <summary>Features I of an input.</summary>
    public long InputSize => Core.InputSize;

    /// <summary>Units H.</summary>
    public long HiddenSize => Core.HiddenSize;

    internal NoisyCell Core => (NoisyCell)Recurrence;

    /// <summary>The steps of one sequence, for models that take a step by themselves: the gradients in the weights are then made for
    /// all of them in one product.</summary>
    /// <returns>To be used for one sequence and one backward pass. Where libtorch tells which pass is running (not on Windows), that one may come
    /// in parts, from a state on and then back from the gradient in it.</returns>
    public NoisyCellSteps Steps() => Core.Steps();

    internal override Tensor[]? Split(Tensor? state) => state is null ? null : [state];

    internal override Tensor Join(Tensor[] results) => results[0];
}
