using Noisy.Core;
using Noisy.Models;
using static TorchSharp.torch;

namespace Noisy.OwnCell;

/// <summary>Layers of minimal gated units, with the signature of a GRU.</summary>
public sealed class MinimalGatedUnit : RecurrentModule<Tensor, (Tensor Output, Tensor Hidden)>
{
    /// <summary>Creates the module.</summary>
    public MinimalGatedUnit(RecurrentShape shape, ActivationPair activations, NoiseClock clock)
        : base(
            nameof(MinimalGatedUnit), activations, clock, (module, noise) => new RecurrentLayers(module, shape, new MinimalCell(activations), noise), null, null)
    {
    }

    internal override Tensor[]? Split(Tensor? state) => state is null ? null : [state];

    internal override (Tensor Output, Tensor Hidden) Join(Tensor[] results) => (results[0], results[1]);
}
