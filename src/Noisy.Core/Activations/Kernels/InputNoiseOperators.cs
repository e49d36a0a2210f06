using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>h(x + c ε): NANI.</summary>
internal readonly struct InputOperator(NoisyActivationSpec spec, double c) : INoisyOperator
{
    private readonly UnitLanes unit = new(spec.Unit);
    private readonly NoiseTerm noise = new(spec.Noise);
    private readonly float c = (float)c;

    public static bool ReadsNoise => true;

    public static bool ReadsP => false;

    public static bool Sticks => true;

    public static bool TakesExp => false;

    [MethodImpl(AggressiveInlining)]
    public V Exponent<V>(V x, V xi, V p) where V : struct, ILanes<V> => 0f;

    [MethodImpl(AggressiveInlining)]
    public V Forward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V> => Shifted(x, xi).Hard;

    [MethodImpl(AggressiveInlining)]
    public Slopes<V> Backward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var shifted = Shifted(x, xi);
        return new(shifted.Hard, V.Select(shifted.Saturated, 0f, unit.Slope), 0f);
    }

    [MethodImpl(AggressiveInlining)]
    private Zone<V> Shifted<V>(V x, V xi) where V : struct, ILanes<V> => unit.At(V.MultiplyAdd(noise.Apply(xi), c, x));
}

/// <summary>h(x + c ε) where x saturates, else h(x): NANIS.</summary>
internal readonly struct InputWhenSaturatedOperator(NoisyActivationSpec spec, double c) : INoisyOperator
{
    private readonly UnitLanes unit = new(spec.Unit);
    private readonly NoiseTerm noise = new(spec.Noise);
    private readonly float c = (float)c;

    public static bool ReadsNoise => true;

    public static bool ReadsP => false;

    public static bool Sticks => true;

    public static bool TakesExp => false;

    [MethodImpl(AggressiveInlining)]
    public V Exponent<V>(V x, V xi, V p) where V : struct, ILanes<V> => 0f;

    [MethodImpl(AggressiveInlining)]
    public V Forward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V> => Shifted(x, xi).Hard;

    [MethodImpl(AggressiveInlining)]
    public Slopes<V> Backward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var shifted = Shifted(x, xi);
        return new(shifted.Hard, V.Select(shifted.Saturated, 0f, unit.Slope), 0f);
    }

    [MethodImpl(AggressiveInlining)]
    private Zone<V> Shifted<V>(V x, V xi) where V : struct, ILanes<V> =>
        unit.At(V.Select(unit.At(x).Saturated, V.MultiplyAdd(noise.Apply(xi), c, x), x));
}

/// <summary>h(x + σ(x) ε) with the deviation of Eq. 9: NANIL as the paper has it.</summary>
internal readonly struct InputGapOperator(NoisyActivationSpec spec, double c) : INoisyOperator
{
    private readonly UnitLanes unit = new(spec.Unit);
    private readonly NoiseTerm noise = new(spec.Noise);
    private readonly float quarter = (float)(c / 4);
    private readonly float quarterSlope = (float)(c / 4 * spec.Unit.Slope);

    public static bool ReadsNoise => true;

    public static bool ReadsP => true;

    public static bool Sticks => true;

    public static bool TakesExp => true;

    [MethodImpl(AggressiveInlining)]
    public V Exponent<V>(V x, V xi, V p) where V : struct, ILanes<V> => (p * UnitLanes.Bounded(unit.At(x).Gap)) | Elementary.SignBit;

    [MethodImpl(AggressiveInlining)]
    public V Forward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var (tanh, _) = Elementary.HalfTanh(e);
        return Shifted(x, xi, tanh).Hard;
    }

    [MethodImpl(AggressiveInlining)]
    public Slopes<V> Backward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var zone = unit.At(x);
        var gap = UnitLanes.Bounded(zone.Gap);
        var (tanh, slope) = Elementary.HalfTanh(e);
        var shifted = Shifted(x, xi, tanh);
        var stuck = shifted.Saturated;
        var noise = slope * this.noise.Apply(xi);
        var sigmaDx = Elementary.FlipBy(Elementary.Abs(p) * quarterSlope, zone.Left);
        var dx = V.MultiplyAdd(sigmaDx * noise, unit.Slope, unit.Slope);
        var dp = Elementary.FlipBy(Elementary.Abs(gap) * noise * quarterSlope, p);
        return new(shifted.Hard, V.Select(stuck, 0f, dx), V.Select(stuck, 0f, dp));
    }

    [MethodImpl(AggressiveInlining)]
    private Zone<V> Shifted<V>(V x, V xi, V tanh) where V : struct, ILanes<V> =>
        unit.At(V.MultiplyAdd(tanh * tanh * quarter, noise.Apply(xi), x));
}

/// <summary>h(x + c softplus(p|Δ|/|ξ|) ε): NANIL as the authors released it.</summary>
internal readonly struct InputRatioOperator(NoisyActivationSpec spec, double c) : INoisyOperator
{
    private const float Guard = (float)NoiseDeviation.RatioGuard;

    private readonly UnitLanes unit = new(spec.Unit);
    private readonly NoiseTerm noise = new(spec.Noise);
    private readonly float c = (float)c;

    public static bool ReadsNoise => true;

    public static bool ReadsP => true;

    public static bool Sticks => true;

    public static bool TakesExp => true;

    [MethodImpl(AggressiveInlining)]
    public V Exponent<V>(V x, V xi, V p) where V : struct, ILanes<V> =>
        (p * Elementary.Abs(UnitLanes.Bounded(unit.At(x).Gap)) / (Elementary.Abs(xi) + Guard)) | Elementary.SignBit;

    [MethodImpl(AggressiveInlining)]
    public V Forward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var noise = this.noise.Apply(xi);
        var size = Elementary.Abs(xi) + Guard;
        var distance = Elementary.Abs(UnitLanes.Bounded(unit.At(x).Gap));
        return Shifted(x, noise, noise / size * distance, p, e.Value).Hard;
    }

    [MethodImpl(AggressiveInlining)]
    public Slopes<V> Backward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var zone = unit.At(x);
        var noise = this.noise.Apply(xi);
        var size = Elementary.Abs(xi) + Guard;
        var direction = noise / size;
        var distance = Elementary.Abs(UnitLanes.Bounded(zone.Gap));
        var product = p * distance;
        var shifted = Shifted(x, noise, direction * distance, p, e.Value);
        var stuck = shifted.Saturated;
        var pull = V.Select(product < 0f, e.Value, 1f) / (1f + e.Value) * direction * (c * unit.Slope);
        var distanceDx = Elementary.FlipBy(zone.Saturated & unit.Slope, zone.Left);
        return new(shifted.Hard, V.Select(stuck, 0f, V.MultiplyAdd(pull * p, distanceDx, unit.Slope)), V.Select(stuck, 0f, pull * distance));
    }

    /// <summary>The shift as c (max(p, 0) |Δ| ε/|ξ| + ε log(1 + exp(−p|Δ|/|ξ|))), which no small ξ can make overflow. It moves no
    /// infinity.</summary>
    [MethodImpl(AggressiveInlining)]
    private Zone<V> Shifted<V>(V x, V noise, V reach, V p, V exp) where V : struct, ILanes<V>
    {
        var shift = V.MultiplyAdd(noise, Elementary.LogOnePlus(exp), V.Select(p < 0f, 0f, p) * reach);
        return unit.At(V.Select(Elementary.Abs(x) > float.MaxValue, x, V.MultiplyAdd(shift, c, x)));
    }
}
