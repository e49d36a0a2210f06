namespace Noisy.Core;

/// <summary>
/// A piecewise-linear saturating function h(x) = clip(u(x), lower, upper) with the linearisation u(x) = slope · x + offset.
/// </summary>
/// <param name="Slope">Slope k of the linear zone; dimensionless; finite and positive.</param>
/// <param name="Offset">Value b of u at x = 0; dimensionless; finite.</param>
/// <param name="Lower">Lower bound of h; −∞ for a unit that does not saturate on the left.</param>
/// <param name="Upper">Upper bound of h, above <paramref name="Lower"/>; +∞ for a unit that does not saturate on the right.</param>
/// <param name="Soft">The smooth function that this unit approximates; default none.</param>
/// <remarks>
/// Source: paper, Section 2 and Eqs. 1 to 4. The saturated zone includes the thresholds, so the slope of h is 0 exactly at
/// a kink (decision 24).
/// </remarks>
public sealed record SaturatingUnit(double Slope, double Offset, double Lower, double Upper, SoftFunction Soft = SoftFunction.None)
{
    /// <summary>Hard-tanh, clip(x, −1, 1); thresholds ±1.</summary>
    public static SaturatingUnit HardTanh { get; } = new(1, 0, -1, 1, SoftFunction.Tanh);

    /// <summary>The paper's hard-sigmoid, clip(x/4 + ½, 0, 1); thresholds ±2. Other libraries use slopes 0.2 or 1/6.</summary>
    public static SaturatingUnit HardSigmoid { get; } = new(0.25, 0.5, 0, 1, SoftFunction.Sigmoid);

    /// <summary>The hard-sigmoid of torch, clip(x/6 + ½, 0, 1); thresholds ±3.</summary>
    public static SaturatingUnit HardSigmoidSixth { get; } = new(1.0 / 6, 0.5, 0, 1, SoftFunction.Sigmoid);

    /// <summary>ReLU, max(x, 0): saturates on the left only.</summary>
    public static SaturatingUnit Relu { get; } = new(1, 0, 0, double.PositiveInfinity);

    /// <summary>ReLU6, clip(x, 0, 6).</summary>
    public static SaturatingUnit Relu6 { get; } = new(1, 0, 0, 6);

    /// <summary>Pre-activation at and below which the unit saturates on the left; −∞ if it never does.</summary>
    public double LowerThreshold => (Lower - Offset) / Slope;

    /// <summary>Pre-activation at and above which the unit saturates on the right; +∞ if it never does.</summary>
    public double UpperThreshold => (Upper - Offset) / Slope;

    /// <summary>"hard-tanh", "hard-sigmoid", "relu", or the unit written out.</summary>
    public override string ToString()
    {
        static string Number(double value) => value.ToString("R", System.Globalization.CultureInfo.InvariantCulture);
        if (this == HardTanh) return "hard-tanh";
        if (this == HardSigmoid) return "hard-sigmoid";
        if (this == HardSigmoidSixth) return "hard-sigmoid x/6";
        if (this == Relu) return "relu";
        if (this == Relu6) return "relu6";
        return $"clip({Number(Slope)} x + {Number(Offset)}, {Number(Lower)}, {Number(Upper)})";
    }
}
