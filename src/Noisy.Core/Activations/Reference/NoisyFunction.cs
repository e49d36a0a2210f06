namespace Noisy.Core;

/// <summary>The reference activation φ(x, ξ) in scalar double precision: what every faster path is tested against.</summary>
/// <remarks>
/// <para>Formula: output placement, φ = α h(x) + (1 − α) u(x) + d(x) σ(x) ε with d(x) = sgn(Δ) sgn(1 − α); input placement,
/// φ = h(x + σ ε). ε is ξ, |ξ| or nothing.</para>
/// <para>Source: paper, Algorithm 1, Eqs. 8 and 9, Section 5; decisions 1, 2, 5, 7, 8 and 24 where it is silent.</para>
/// <para>Special values: inside the thresholds of output noise φ = h = u exactly, whatever the noise. ±∞ in x gives the limit: with
/// a leak φ = (1 − α) x, of slope 1 − α times the unit's; else a bound of the unit (with output noise d c/4 ε from it, or on it if p
/// is 0) of slope 0; beyond a side without a threshold x itself. NaN in x gives a NaN value and the slopes of the linear zone, as
/// torch's hardtanh has them; tanh and sigmoid then have slope NaN. Slopes at a kink are those of the saturated side. Randomness:
/// none, ξ is an argument.</para>
/// </remarks>
public static class NoisyFunction
{
    /// <summary>Value and slopes of an activation at one pre-activation and one draw.</summary>
    /// <param name="spec">The activation; valid (see <see cref="NoisyActivationSpec.Validate"/>).</param>
    /// <param name="x">Pre-activation; dimensionless.</param>
    /// <param name="xi">Raw noise ξ, a draw from N(0, 1); not read without noise.</param>
    /// <param name="p">Gap gain; read only if <see cref="NoisyActivationSpec.UsesP"/>.</param>
    /// <param name="c">Noise scale at this update; finite and ≥ 0.</param>
    /// <returns>The point.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="c"/> is negative, NaN or infinite.</exception>
    public static NoisyPoint Evaluate(NoisyActivationSpec spec, double x, double xi, double p, double c)
    {
        CheckScale(c);
        var unit = spec.Unit;
        var (h, u, gap) = (HardFunctions.Hard(unit, x), HardFunctions.Linear(unit, x), HardFunctions.Gap(unit, x));
        if (spec.UseSoft)
            return new(h, u, gap, 0, 0, 0, HardFunctions.Soft(unit.Soft, x), HardFunctions.SoftSlope(unit.Soft, x), 0);

        if (double.IsNaN(x)) return new(x, x, x, x, 0, 0, x, unit.Slope, 0);
        var epsilon = Epsilon(spec.Noise, xi);
        var sigma = NoiseDeviation.Create(spec, x, xi, p, c);
        var (value, dx, dp) = spec.Placement == NoisePlacement.Output || spec.Noise == NoiseKind.None
            ? OutputNoise(spec, x, sigma, epsilon)
            : InputNoise(unit, x, sigma, epsilon);
        return new(h, u, gap, sigma.Value, sigma.Dx, sigma.Dp, value, dx, dp);
    }

    /// <summary>The same at the spec's own noise scale.</summary>
    /// <param name="spec">The activation; valid.</param>
    /// <param name="x">Pre-activation; dimensionless.</param>
    /// <param name="xi">Raw noise ξ.</param>
    /// <param name="p">Gap gain.</param>
    /// <returns>The point.</returns>
    public static NoisyPoint Evaluate(NoisyActivationSpec spec, double x, double xi, double p) => Evaluate(spec, x, xi, p, spec.C);

    /// <summary>φ(x, ξ) alone.</summary>
    /// <inheritdoc cref="Evaluate(NoisyActivationSpec, double, double, double, double)"/>
    public static double Value(NoisyActivationSpec spec, double x, double xi, double p, double c) => Evaluate(spec, x, xi, p, c).Value;

    /// <summary>∂φ/∂x at fixed ξ alone.</summary>
    /// <inheritdoc cref="Evaluate(NoisyActivationSpec, double, double, double, double)"/>
    public static double Dx(NoisyActivationSpec spec, double x, double xi, double p, double c) => Evaluate(spec, x, xi, p, c).Dx;

    /// <summary>∂φ/∂p at fixed ξ alone.</summary>
    /// <inheritdoc cref="Evaluate(NoisyActivationSpec, double, double, double, double)"/>
    public static double Dp(NoisyActivationSpec spec, double x, double xi, double p, double c) => Evaluate(spec, x, xi, p, c).Dp;

    /// <summary>The noise term ε of a raw draw ξ.</summary>
    internal static double Epsilon(NoiseKind noise, double xi) => noise switch
    {
        NoiseKind.None => 0,
        NoiseKind.Normal => xi,
        _ => Math.Abs(xi),
    };

    internal static void CheckScale(double c)
    {
        if (!double.IsFinite(c) || c < 0)
            throw new ArgumentOutOfRangeException(nameof(c), c, "the noise scale must be finite and >= 0");
    }

    /// <summary>α h + (1 − α) u = h − (1 − α) Δ, and its slope.</summary>
    internal static (double Value, double Dx) Leaky(NoisyActivationSpec spec, double x)
    {
        var (hard, leak) = (HardFunctions.Hard(spec.Unit, x), 1 - spec.Alpha);
        if (!HardFunctions.IsSaturated(spec.Unit, x)) return (hard, spec.Unit.Slope);
        return leak == 0 ? (hard, 0) : (hard - leak * HardFunctions.Gap(spec.Unit, x), leak * spec.Unit.Slope);
    }

    private static (double Value, double Dx, double Dp) OutputNoise(
        NoisyActivationSpec spec, double x, NoiseDeviation sigma, double epsilon)
    {
        var (mean, slope) = Leaky(spec, x);
        var noise = HardFunctions.Side(spec.Unit, x) * spec.LeakSign * epsilon;
        var value = sigma.Value == 0 ? mean : mean + noise * sigma.Value;
        var (dx, dp) = (slope + noise * sigma.Dx, noise * sigma.Dp);
        if (!spec.ClipOutput || !HardFunctions.IsSaturated(spec.Unit, x)) return (value, dx, dp);
        var inside = value > spec.Unit.Lower && value < spec.Unit.Upper;
        return inside ? (value, dx, dp) : (Math.Clamp(value, spec.Unit.Lower, spec.Unit.Upper), 0, 0);
    }

    private static (double Value, double Dx, double Dp) InputNoise(SaturatingUnit unit, double x, NoiseDeviation sigma, double epsilon)
    {
        var shifted = sigma.Value == 0 || epsilon == 0 || double.IsInfinity(x) ? x : x + sigma.Value * epsilon;
        var slope = HardFunctions.HardSlope(unit, shifted);
        return slope == 0
            ? (HardFunctions.Hard(unit, shifted), 0, 0)
            : (HardFunctions.Hard(unit, shifted), slope * (1 + sigma.Dx * epsilon), slope * sigma.Dp * epsilon);
    }
}
