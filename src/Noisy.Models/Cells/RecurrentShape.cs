using Noisy.Core;

namespace Noisy.Models;

/// <summary>Everything that changes the shape of a recurrent module; names, order and defaults are torch's.</summary>
/// <param name="InputSize">Features of an input element, ≥ 1.</param>
/// <param name="HiddenSize">Units H of a layer, ≥ 1.</param>
/// <param name="NumLayers">Stacked layers, ≥ 1.</param>
/// <param name="Bias">Whether there are biases.</param>
/// <param name="BatchFirst">Whether input and output are [B, T, ·] instead of [T, B, ·].</param>
/// <param name="Dropout">Dropout on the output of every layer but the last, in [0, 1).</param>
/// <param name="Bidirectional">Whether each layer also runs backwards; outputs are then 2H wide.</param>
public sealed record RecurrentShape(
    long InputSize, long HiddenSize, int NumLayers = 1, bool Bias = true, bool BatchFirst = false, double Dropout = 0, bool Bidirectional = false)
{
    /// <summary>Directions a layer runs in: 1 or 2.</summary>
    public int Directions => Bidirectional ? 2 : 1;

    /// <summary>Checks every rule.</summary>
    /// <returns>This shape.</returns>
    /// <exception cref="InvalidSpecException">A rule is broken; the message names each.</exception>
    public RecurrentShape Validate()
    {
        List<string> broken = [];
        if (InputSize < 1) broken.Add($"input size is {InputSize}: must be >= 1");
        if (HiddenSize < 1) broken.Add($"hidden size is {HiddenSize}: must be >= 1");
        if (NumLayers < 1) broken.Add($"number of layers is {NumLayers}: must be >= 1");
        if (!(Dropout >= 0 && Dropout < 1)) broken.Add($"dropout is {Dropout}: must be in [0, 1)");
        return broken.Count == 0 ? this : throw new InvalidSpecException(broken);
    }

    /// <summary>Checks every rule, and that layers are what a model of tokens [T, B] takes: time first, and ahead in time alone.</summary>
    /// <returns>This shape.</returns>
    /// <exception cref="InvalidSpecException">A rule is broken; the message names each.</exception>
    internal RecurrentShape ValidateTimeFirst()
    {
        Validate();
        List<string> broken = [];
        if (BatchFirst) broken.Add("batch first is true: must be false, since the model takes tokens [T, B]");
        if (Bidirectional) broken.Add("bidirectional is true: must be false, since the model reads one direction");
        return broken.Count == 0 ? this : throw new InvalidSpecException(broken);
    }
}
