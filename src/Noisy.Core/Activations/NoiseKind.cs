namespace Noisy.Core;

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
