namespace Noisy.Core;

/// <summary>All that the reference knows of an activation at one point; see <see cref="NoisyFunction.Evaluate(NoisyActivationSpec, double, double, double, double)"/>.</summary>
/// <param name="H">Hard function h(x).</param>
/// <param name="U">Linearisation u(x).</param>
/// <param name="Gap">Saturation gap Δ = h − u.</param>
/// <param name="Sigma">Factor σ of the noise term ε; its standard deviation for normal noise, except for
/// <see cref="NoiseScaling.Ratio"/>, where it depends on ξ.</param>
/// <param name="SigmaDx">∂σ/∂x at fixed ξ.</param>
/// <param name="SigmaDp">∂σ/∂p at fixed ξ.</param>
/// <param name="Value">The activation φ(x, ξ).</param>
/// <param name="Dx">∂φ/∂x at fixed ξ.</param>
/// <param name="Dp">∂φ/∂p at fixed ξ.</param>
public readonly record struct NoisyPoint(
    double H, double U, double Gap, double Sigma, double SigmaDx, double SigmaDp, double Value, double Dx, double Dp);
