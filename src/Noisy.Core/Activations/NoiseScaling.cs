namespace Noisy.Core;

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
