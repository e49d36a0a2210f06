using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>tanh.</summary>
internal readonly struct TanhOperator : INoisyOperator
{
    public static bool ReadsNoise => false;

    public static bool ReadsP => false;

    public static bool Sticks => false;

    public static bool TakesExp => true;

    [MethodImpl(AggressiveInlining)]
    public V Exponent<V>(V x, V xi, V p) where V : struct, ILanes<V> => (x | Elementary.SignBit) * 2f;

    [MethodImpl(AggressiveInlining)]
    public V Forward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V> => Elementary.Tanh(x, e).Value;

    [MethodImpl(AggressiveInlining)]
    public Slopes<V> Backward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var (value, slope) = Elementary.Tanh(x, e);
        return new(value, slope, 0f);
    }
}

/// <summary>Logistic sigmoid.</summary>
internal readonly struct SigmoidOperator : INoisyOperator
{
    public static bool ReadsNoise => false;

    public static bool ReadsP => false;

    public static bool Sticks => false;

    public static bool TakesExp => true;

    [MethodImpl(AggressiveInlining)]
    public V Exponent<V>(V x, V xi, V p) where V : struct, ILanes<V> => x | Elementary.SignBit;

    [MethodImpl(AggressiveInlining)]
    public V Forward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V> => Elementary.Sigmoid(x, e).Value;

    [MethodImpl(AggressiveInlining)]
    public Slopes<V> Backward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var (value, slope) = Elementary.Sigmoid(x, e);
        return new(value, slope, 0f);
    }
}

/// <summary>α h + (1 − α) u, without noise; at α = 1 the plain hard function.</summary>
internal readonly struct LeakyOperator(NoisyActivationSpec spec) : INoisyOperator
{
    private readonly UnitLanes unit = new(spec.Unit);
    private readonly LeakTerm leak = new(spec);

    public static bool ReadsNoise => false;

    public static bool ReadsP => false;

    public static bool Sticks => true;

    public static bool TakesExp => false;

    [MethodImpl(AggressiveInlining)]
    public V Exponent<V>(V x, V xi, V p) where V : struct, ILanes<V> => 0f;

    [MethodImpl(AggressiveInlining)]
    public V Forward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V> => leak.Apply(unit.At(x));

    [MethodImpl(AggressiveInlining)]
    public Slopes<V> Backward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var zone = unit.At(x);
        return new(leak.Apply(zone), V.Select(zone.Saturated, leak.Slope, unit.Slope), 0f);
    }
}

/// <summary>Another operator, its output clipped to the bounds of the unit.</summary>
internal readonly struct ClippedOperator<TInner>(TInner inner, NoisyActivationSpec spec) : INoisyOperator
    where TInner : struct, INoisyOperator
{
    private readonly TInner inner = inner;
    private readonly UnitLanes unit = new(spec.Unit);

    public static bool ReadsNoise => TInner.ReadsNoise;

    public static bool ReadsP => TInner.ReadsP;

    public static bool Sticks => true;

    public static bool TakesExp => TInner.TakesExp;

    [MethodImpl(AggressiveInlining)]
    public V Exponent<V>(V x, V xi, V p) where V : struct, ILanes<V> => inner.Exponent(x, xi, p);

    [MethodImpl(AggressiveInlining)]
    public V Forward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V> => unit.Clip(inner.Forward(x, xi, p, e));

    [MethodImpl(AggressiveInlining)]
    public Slopes<V> Backward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var slopes = inner.Backward(x, xi, p, e);
        var outside = unit.Outside(slopes.Value);
        return new(unit.Clip(slopes.Value), V.Select(unit.At(x).Saturated & outside, 0f, slopes.Dx), V.Select(outside, 0f, slopes.Dp));
    }
}
