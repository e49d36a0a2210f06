namespace Noisy.Core;

/// <summary>What a noisy unit does with its noise.</summary>
public enum NoiseMode
{
    /// <summary>Draw ξ: training.</summary>
    Sample,

    /// <summary>Replace ε by its expectation: the paper's test time.</summary>
    Mean,

    /// <summary>Take the expectation of the unit's output, E[φ(x, ξ)]: for output noise without a clip the same as
    /// <see cref="Mean"/>, for input noise the exact mean that the paper's test time only approximates (decision 6).</summary>
    ExactMean,

    /// <summary>Drop the noise term, ε = 0; the leak stays.</summary>
    Off,
}
