namespace Noisy.Core;

/// <summary>The direction d(x) at α = 1, where the printed formula and the published figure disagree (decision 1).</summary>
public enum AlphaOneRule
{
    /// <summary>sgn(1 − α) counts as +1 at α = 1: the noise pushes inward, as in the paper's figure and the authors' code.</summary>
    Inward,

    /// <summary>sgn(0) = 0 taken literally: no output noise at α = 1.</summary>
    Silent,
}
