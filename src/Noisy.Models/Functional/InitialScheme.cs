namespace Noisy.Models;

/// <summary>How the weights of a model with attention begin.</summary>
public enum InitialScheme
{
    /// <summary>As in the reference codes of translation and captions: square matrices orthogonal, others 0.01 N(0, 1).</summary>
    Reference,

    /// <summary>As the paper has it with its noisy units: every matrix orthogonal (or half so, where it is not square) times
    /// 0.01.</summary>
    ScaledOrthogonal,

    /// <summary>As torch's layers: U(−1/√n, 1/√n) with n inputs.</summary>
    Uniform,
}
