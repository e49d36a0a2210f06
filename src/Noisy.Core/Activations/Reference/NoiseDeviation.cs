namespace Noisy.Core;

/// <summary>The factor σ of the noise term and its derivatives in x, p and c.</summary>
/// <remarks>
/// Source: paper, Eq. 9, in the form σ = (c/4) tanh²(pΔ/2); decision 8 for Excess; the authors' released code for Ratio, the
/// one law in which σ depends on the draw.
/// </remarks>
internal readonly record struct NoiseDeviation(double Value, double Dx, double Dp, double Dc)
{
    /// <summary>Keeps the released NANIL finite at ξ = 0.</summary>
    internal const double RatioGuard = 1e-10;

    internal static NoiseDeviation Create(NoisyActivationSpec spec, double x, double xi, double p, double c)
    {
        if (spec.Noise == NoiseKind.None) return default;
        return spec.Scaling switch
        {
            NoiseScaling.Constant when spec.Placement == NoisePlacement.InputWhenSaturated && !HardFunctions.IsSaturated(spec.Unit, x)
                => default,
            NoiseScaling.Constant => new(c, 0, 0, 1),
            NoiseScaling.Gap => Gap(spec.Unit, x, p, c),
            NoiseScaling.Excess => Excess(spec.Unit, x, c),
            _ => Ratio(spec.Unit, x, xi, p, c),
        };
    }

    private static NoiseDeviation Gap(SaturatingUnit unit, double x, double p, double c)
    {
        var gap = HardFunctions.Gap(unit, x);
        if (gap == 0 || p == 0) return default;
        var tanh = Math.Tanh(p * gap / 2);
        var slope = tanh * 4 * HardFunctions.SigmoidSlope(p * gap);
        return new(c / 4 * tanh * tanh, -c / 4 * p * unit.Slope * slope, slope == 0 ? 0 : c / 4 * gap * slope, tanh * tanh / 4);
    }

    private static NoiseDeviation Excess(SaturatingUnit unit, double x, double c)
    {
        var excess = HardFunctions.Excess(unit, x);
        if (excess == 0) return default;
        var square = excess * excess;
        var tanh = Math.Tanh(square / 2);
        var slope = tanh * 4 * HardFunctions.SigmoidSlope(square);
        var outward = -HardFunctions.Side(unit, x);
        return new(c / 4 * tanh * tanh, slope == 0 ? 0 : c / 2 * excess * slope * outward, 0, tanh * tanh / 4);
    }

    private static NoiseDeviation Ratio(SaturatingUnit unit, double x, double xi, double p, double c)
    {
        var distance = Math.Abs(HardFunctions.Gap(unit, x));
        var size = Math.Abs(xi) + RatioGuard;
        var ratio = p == 0 ? 0 : p * distance / size;
        var softplus = Math.Max(ratio, 0) + LogOnePlus(Math.Exp(-Math.Abs(ratio)));
        var sigmoid = HardFunctions.Soft(SoftFunction.Sigmoid, ratio);
        var distanceDx = -HardFunctions.Side(unit, x) * unit.Slope;
        return new(c == 0 ? 0 : c * softplus, c * sigmoid * p * distanceDx / size, sigmoid == 0 ? 0 : c * sigmoid * distance / size, softplus);
    }

    /// <summary>log(1 + e) for e in [0, 1], to full precision for small e (W. Kahan's correction).</summary>
    private static double LogOnePlus(double e)
    {
        var one = 1 + e;
        return one == 1 ? e : Math.Log(one) * e / (one - 1);
    }
}
