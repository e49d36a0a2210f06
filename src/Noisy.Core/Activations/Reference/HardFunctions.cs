namespace Noisy.Core;

/// <summary>The deterministic parts of every activation: h, u, the saturation gap and their slopes, and the smooth originals.</summary>
/// <remarks>
/// <para>Source: paper, Section 2, Eqs. 1 to 4 and 8. Saturation is decided on x against the thresholds, which belong to
/// the saturated zone (decision 24); a side without a finite threshold never saturates.</para>
/// <para>Special values: NaN in gives NaN out; ±∞ gives the limit. Randomness: none.</para>
/// </remarks>
public static class HardFunctions
{
    /// <summary>The linearisation u(x) = slope · x + offset; never clipped.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="x">Pre-activation.</param>
    /// <returns>u(x).</returns>
    public static double Linear(SaturatingUnit unit, double x) => unit.Slope * x + unit.Offset;

    /// <summary>The hard-saturating function h(x) = clip(u(x), lower, upper).</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="x">Pre-activation.</param>
    /// <returns>h(x); equal to u(x), bit for bit, where the unit does not saturate.</returns>
    public static double Hard(SaturatingUnit unit, double x) => Side(unit, x) switch
    {
        > 0 => unit.Lower,
        < 0 => unit.Upper,
        _ => Linear(unit, x),
    };

    /// <summary>Which way the gap points: +1 in the left saturated zone, −1 in the right one, 0 in the linear zone; sgn(Δ).</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="x">Pre-activation; NaN counts as linear.</param>
    /// <returns>1, −1 or 0.</returns>
    public static int Side(SaturatingUnit unit, double x)
    {
        if (x <= unit.LowerThreshold && double.IsFinite(unit.LowerThreshold)) return 1;
        return x >= unit.UpperThreshold && double.IsFinite(unit.UpperThreshold) ? -1 : 0;
    }

    /// <summary>Whether the unit saturates at x, thresholds included.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="x">Pre-activation; NaN does not saturate.</param>
    /// <returns>True beyond or at a threshold.</returns>
    public static bool IsSaturated(SaturatingUnit unit, double x) => Side(unit, x) != 0;

    /// <summary>The saturation gap Δ(x) = h(x) − u(x).</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="x">Pre-activation.</param>
    /// <returns>Δ(x); exactly 0 where the unit does not saturate, else 0 or of the sign of <see cref="Side"/>, also where a
    /// rounded threshold would turn it.</returns>
    public static double Gap(SaturatingUnit unit, double x) => Side(unit, x) switch
    {
        > 0 => Math.Max(unit.Lower - Linear(unit, x), 0),
        < 0 => Math.Min(unit.Upper - Linear(unit, x), 0),
        _ => double.IsNaN(x) ? x : 0,
    };

    /// <summary>How far x lies beyond the nearer threshold, in units of x.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="x">Pre-activation.</param>
    /// <returns>The excess; ≥ 0, and 0 where the unit does not saturate.</returns>
    public static double Excess(SaturatingUnit unit, double x) => Side(unit, x) switch
    {
        > 0 => unit.LowerThreshold - x,
        < 0 => x - unit.UpperThreshold,
        _ => double.IsNaN(x) ? x : 0,
    };

    /// <summary>Slope of h: the unit's slope in the linear zone, 0 in the saturated one and at the thresholds.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="x">Pre-activation.</param>
    /// <returns>h′(x).</returns>
    public static double HardSlope(SaturatingUnit unit, double x) => IsSaturated(unit, x) ? 0 : unit.Slope;

    /// <summary>The smooth original: tanh or the logistic sigmoid.</summary>
    /// <param name="function">Which one.</param>
    /// <param name="x">Pre-activation.</param>
    /// <returns>Its value.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="function"/> is none.</exception>
    public static double Soft(SoftFunction function, double x) => function switch
    {
        SoftFunction.Tanh => Math.Tanh(x),
        SoftFunction.Sigmoid => x >= 0 ? 1 / (1 + Math.Exp(-x)) : Math.Exp(x) / (1 + Math.Exp(x)),
        _ => throw NoSoft(function),
    };

    /// <summary>Slope of the smooth original, without cancellation in its tails.</summary>
    /// <param name="function">Which one.</param>
    /// <param name="x">Pre-activation.</param>
    /// <returns>Its derivative.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="function"/> is none.</exception>
    public static double SoftSlope(SoftFunction function, double x) => function switch
    {
        SoftFunction.Tanh => 4 * SigmoidSlope(2 * x),
        SoftFunction.Sigmoid => SigmoidSlope(x),
        _ => throw NoSoft(function),
    };

    /// <summary>Derivative of the logistic sigmoid; also sech²(x/2) / 4.</summary>
    internal static double SigmoidSlope(double x)
    {
        var e = Math.Exp(-Math.Abs(x));
        return e / ((1 + e) * (1 + e));
    }

    private static ArgumentOutOfRangeException NoSoft(SoftFunction function) =>
        new(nameof(function), function, "must be Tanh or Sigmoid: this unit has no smooth original");
}
