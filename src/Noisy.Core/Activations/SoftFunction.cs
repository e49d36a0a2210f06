namespace Noisy.Core;

/// <summary>The smooth function that a hard-saturating unit approximates, if there is one.</summary>
public enum SoftFunction
{
    /// <summary>No smooth original (ReLU, for example).</summary>
    None,

    /// <summary>Hyperbolic tangent.</summary>
    Tanh,

    /// <summary>Logistic sigmoid 1 / (1 + exp(−x)).</summary>
    Sigmoid,
}
