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

/// <summary>Distribution of the noise term ε, a function of the raw noise ξ ~ N(0, 1) (paper, Section 4.2).</summary>
public enum NoiseKind
{
    /// <summary>No noise: ε = 0.</summary>
    None,

    /// <summary>Normal: ε = ξ; mean 0. The paper's NAN.</summary>
    Normal,

    /// <summary>Half-normal: ε = |ξ|; mean √(2/π). The paper's NAH.</summary>
    HalfNormal,
}

/// <summary>Where the noise enters the unit (paper, Sections 4 and 5).</summary>
public enum NoisePlacement
{
    /// <summary>Added to the output, only where the unit saturates: NAN and NAH.</summary>
    Output,

    /// <summary>Added to the pre-activation, h(x + σξ): NANI and NANIL.</summary>
    Input,

    /// <summary>Added to the pre-activation only where the noiseless unit saturates: NANIS.</summary>
    InputWhenSaturated,
}

/// <summary>How the noise deviation σ follows from the pre-activation.</summary>
public enum NoiseScaling
{
    /// <summary>σ = c everywhere (NANI, NANIS).</summary>
    Constant,

    /// <summary>Eq. 9: σ(x) = c (sigmoid(p Δ(x)) − ½)², with the gap gain p (NAN, NAH, NANIL).</summary>
    Gap,

    /// <summary>Eq. 9 without a gap gain: σ(x) = c (sigmoid(δ²) − ½)², δ the distance of x beyond the threshold.</summary>
    Excess,

    /// <summary>The authors' released NANIL: the input is shifted by c softplus(p |Δ| / |ξ|) ξ, so the scale depends on the draw.</summary>
    Ratio,
}

/// <summary>The direction d(x) at α = 1, where the printed formula and the published figure disagree (decision 1).</summary>
public enum AlphaOneRule
{
    /// <summary>sgn(1 − α) counts as +1 at α = 1: the noise pushes inward, as in the paper's figure and the authors' code.</summary>
    Inward,

    /// <summary>sgn(0) = 0 taken literally: no output noise at α = 1.</summary>
    Silent,
}
