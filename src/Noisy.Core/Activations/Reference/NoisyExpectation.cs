namespace Noisy.Core;

/// <summary>Expectations of an activation over its noise at one pre-activation.</summary>
/// <param name="Mean">E[φ].</param>
/// <param name="Variance">Var[φ].</param>
/// <param name="MeanDx">E[∂φ/∂x], the expected gradient; also ∂E[φ]/∂x, except at the thresholds of NANIS, where E jumps.</param>
/// <param name="MeanDp">E[∂φ/∂p].</param>
/// <param name="MeanDc">E[∂φ/∂c]; for noise of fixed deviation that is ∂E[φ]/∂σ.</param>
public readonly record struct NoisyExpectation(double Mean, double Variance, double MeanDx, double MeanDp, double MeanDc);
