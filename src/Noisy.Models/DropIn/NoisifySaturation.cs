namespace Noisy.Models;

/// <summary>How often the units of a module saturated in a pass.</summary>
/// <param name="Path">Its dotted path.</param>
/// <param name="Activations">Activations computed: units by examples by time steps, of all gates.</param>
/// <param name="Saturated">Those whose pre-activation was at or beyond a threshold, where alone output noise and the leak act.</param>
public sealed record NoisifySaturation(string Path, long Activations, long Saturated)
{
    /// <summary>Share that saturated, in [0, 1]; NaN if the pass did not reach the module.</summary>
    public double Share => (double)Saturated / Activations;

    /// <summary>One line for people.</summary>
    public override string ToString() => Activations == 0
        ? $"{Path}: not reached"
        : FormattableString.Invariant($"{Path}: {100 * Share:F2} % of {Activations} activations saturated");
}
