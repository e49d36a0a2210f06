namespace Noisy.Core;

/// <summary>Mean, variance and expected gradients of every activation in double precision, over its noise.</summary>
/// <remarks>
/// <para>Formula: output noise, E[φ] = α h + (1 − α) u + d σ E[ε], with E[ε] = 0 (normal) or √(2/π) (half-normal), and
/// Var[φ] = d² σ² Var[ε]; input noise and clipped output, the moments of a clipped normal variable, in closed form;
/// <see cref="NoiseScaling.Ratio"/>, quadrature.</para>
/// <para>Source: paper, Section 4.2; closed forms derived. Precision: near rounding, quadrature 1e-9; checked against
/// draws and against finite differences. Randomness: none.</para>
/// </remarks>
public static class NoisyMoments
{
    /// <summary>√(2/π), the mean of |ξ| for ξ ~ N(0, 1).</summary>
    public const double HalfNormalMean = 0.79788456080286535588;

    /// <summary>1 − 2/π, the variance of |ξ| for ξ ~ N(0, 1).</summary>
    public const double HalfNormalVariance = 0.36338022763241865692;

    /// <summary>All expectations at once.</summary>
    /// <param name="spec">The activation; valid (see <see cref="NoisyActivationSpec.Validate"/>).</param>
    /// <param name="x">Pre-activation; dimensionless.</param>
    /// <param name="p">Gap gain; read only if <see cref="NoisyActivationSpec.UsesP"/>.</param>
    /// <param name="c">Noise scale at this update; finite and ≥ 0.</param>
    /// <returns>The expectations.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="c"/> is negative, NaN or infinite.</exception>
    public static NoisyExpectation Evaluate(NoisyActivationSpec spec, double x, double p, double c)
    {
        NoisyFunction.CheckScale(c);
        if (spec.UseSoft || spec.Noise == NoiseKind.None)
        {
            var point = NoisyFunction.Evaluate(spec, x, 0, p, c);
            return new(point.Value, 0, point.Dx, 0, 0);
        }
        if (spec.Placement == NoisePlacement.Output) return OutputNoise(spec, x, p, c);
        return spec.Scaling == NoiseScaling.Ratio ? RatioMoments.Evaluate(spec, x, p, c) : InputNoise(spec, x, p, c);
    }

    /// <summary>The same at the spec's own noise scale.</summary>
    /// <inheritdoc cref="Evaluate(NoisyActivationSpec, double, double, double)"/>
    public static NoisyExpectation Evaluate(NoisyActivationSpec spec, double x, double p) => Evaluate(spec, x, p, spec.C);

    /// <summary>E[φ] alone.</summary>
    /// <inheritdoc cref="Evaluate(NoisyActivationSpec, double, double, double)"/>
    public static double Mean(NoisyActivationSpec spec, double x, double p, double c) => Evaluate(spec, x, p, c).Mean;

    /// <summary>Var[φ] alone.</summary>
    /// <inheritdoc cref="Evaluate(NoisyActivationSpec, double, double, double)"/>
    public static double Variance(NoisyActivationSpec spec, double x, double p, double c) => Evaluate(spec, x, p, c).Variance;

    /// <summary>The test-time function: φ with ε replaced by its expectation.</summary>
    /// <param name="spec">The activation; valid.</param>
    /// <param name="x">Pre-activation; dimensionless.</param>
    /// <param name="p">Gap gain; read only if <see cref="NoisyActivationSpec.UsesP"/>.</param>
    /// <param name="c">Noise scale; finite and ≥ 0.</param>
    /// <returns>φ(x, ξ = E[ε]).</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="c"/> is negative, NaN or infinite.</exception>
    /// <remarks>
    /// Equal to the mean for output noise without the final clip, which is affine in ε; for normal input noise it is h(x),
    /// which is not the mean (decision 6). Source: paper, Section 4.2; decision 4 for √(2/π).
    /// </remarks>
    public static double PlugIn(NoisyActivationSpec spec, double x, double p, double c) =>
        NoisyFunction.Value(spec, x, PlugInNoise(spec.Noise), p, c);

    /// <summary>The value that stands for ξ at test time: E[ε].</summary>
    /// <param name="noise">The distribution of ε.</param>
    /// <returns>0, or √(2/π) for half-normal noise.</returns>
    public static double PlugInNoise(NoiseKind noise) => ClippedNormal.MeanOf(noise);

    private static NoisyExpectation OutputNoise(NoisyActivationSpec spec, double x, double p, double c)
    {
        var (mean, slope) = NoisyFunction.Leaky(spec, x);
        var sigma = NoiseDeviation.Create(spec, x, 0, p, c);
        var direction = HardFunctions.Side(spec.Unit, x) * spec.LeakSign;
        if (direction == 0 || (sigma.Value == 0 && sigma.Dc == 0))
        {
            var point = NoisyFunction.Evaluate(spec, x, 0, p, c);
            return new(point.Value, 0, point.Dx, 0, 0);
        }
        var (dx, dp, dc) = (direction * sigma.Dx, direction * sigma.Dp, direction * sigma.Dc);
        if (spec.ClipOutput)
        {
            var law = ClippedNormal.Create(spec.Noise, mean, direction * sigma.Value, spec.Unit.Lower, spec.Unit.Upper);
            return new(law.Mean, law.Variance, law.Inside * slope + law.InsideNoise * dx, law.InsideNoise * dp, law.InsideNoise * dc);
        }
        var (m, v) = (ClippedNormal.MeanOf(spec.Noise), ClippedNormal.VarianceOf(spec.Noise));
        return new(mean + m * direction * sigma.Value, sigma.Value * sigma.Value * v, slope + m * dx, m * dp, m * dc);
    }

    private static NoisyExpectation InputNoise(NoisyActivationSpec spec, double x, double p, double c)
    {
        var unit = spec.Unit;
        var (k, sigma) = (unit.Slope, NoiseDeviation.Create(spec, x, 0, p, c));
        if (sigma.Value == 0)
        {
            var slope = HardFunctions.HardSlope(unit, x);
            return new(HardFunctions.Hard(unit, x), 0, slope, 0, slope * sigma.Dc * ClippedNormal.MeanOf(spec.Noise));
        }
        var law = ClippedNormal.Create(spec.Noise, HardFunctions.Linear(unit, x), k * sigma.Value, unit.Lower, unit.Upper);
        return new(law.Mean, law.Variance, k * (law.Inside + law.InsideNoise * sigma.Dx),
            k * law.InsideNoise * sigma.Dp, k * law.InsideNoise * sigma.Dc);
    }
}
