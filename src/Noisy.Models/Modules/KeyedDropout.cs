using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Dropout whose mask comes from the context's key: the same bits on every device and after every resume.</summary>
public static class KeyedDropout
{
    /// <summary>Drops elements in a training pass; otherwise returns x.</summary>
    /// <param name="x">[T, …], a slice for each time step.</param>
    /// <param name="probability">Probability of dropping an element, in [0, 1).</param>
    /// <param name="context">Mode, key, update and first time step.</param>
    /// <returns>A tensor that the caller owns.</returns>
    public static Tensor Apply(Tensor x, double probability, NoiseContext context)
    {
        if (probability == 0 || !context.IsTraining) return x.alias();
        using var mask = NoiseSource.DropoutMask(
            context.Key.Child("dropout"), context.Update, context.TimeStep, x.shape, probability, x.device);
        using var typed = mask.to_type(x.dtype);
        return x * typed;
    }
}
