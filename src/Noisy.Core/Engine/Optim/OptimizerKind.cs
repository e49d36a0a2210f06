namespace Noisy.Core;

/// <summary>How a gradient becomes a step.</summary>
public enum OptimizerKind
{
    /// <summary>Gradient descent, with momentum if asked.</summary>
    Sgd,

    /// <summary>RMSProp: the gradient over the root of its running mean square.</summary>
    RmsProp,

    /// <summary>RMSProp in the centred form with momentum of A. Graves, 2013, Equations 38 to 45.</summary>
    GravesRmsProp,

    /// <summary>Adam with bias correction.</summary>
    Adam,

    /// <summary>Adadelta.</summary>
    Adadelta,
}
