using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>Output noise with the deviation of Eq. 9 and a gap gain p: NAN and NAH.</summary>
/// <remarks>
/// With s the side (sgn Δ), T = tanh(pΔ/2) and S = sech²(pΔ/2), the signs collect to
/// ∂(dσε)/∂x = −L (c/4) k |p| |T| S ε and ∂(dσε)/∂p = L (c/4) Δ sgn(p) |T| S ε, L = sgn(1 − α).
/// </remarks>
internal readonly struct OutputGapOperator(NoisyActivationSpec spec, double c) : INoisyOperator
{
    private readonly UnitLanes unit = new(spec.Unit);
    private readonly NoiseTerm noise = new(spec.Noise);
    private readonly LeakTerm leak = new(spec);
    private readonly float push = (float)(spec.LeakSign * c / 4);
    private readonly float pushSlope = (float)(-spec.LeakSign * c / 4 * spec.Unit.Slope);

    public static bool ReadsNoise => true;

    public static bool ReadsP => true;

    public static bool Sticks => false;

    public static bool TakesExp => true;

    [MethodImpl(AggressiveInlining)]
    public V Exponent<V>(V x, V xi, V p) where V : struct, ILanes<V> => (p * UnitLanes.Bounded(unit.At(x).Gap)) | Elementary.SignBit;

    [MethodImpl(AggressiveInlining)]
    public V Forward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var zone = unit.At(x);
        var (tanh, _) = Elementary.HalfTanh(e);
        var push = Elementary.FlipBy(tanh * tanh * this.push, zone.Right);
        return V.MultiplyAdd(push, noise.Apply(xi), leak.Apply(zone));
    }

    [MethodImpl(AggressiveInlining)]
    public Slopes<V> Backward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var zone = unit.At(x);
        var gap = UnitLanes.Bounded(zone.Gap);
        var (tanh, slope) = Elementary.HalfTanh(e);
        var epsilon = this.noise.Apply(xi);
        var push = Elementary.FlipBy(tanh * tanh * this.push, zone.Right);
        var noise = slope * epsilon;
        var dx = V.MultiplyAdd(Elementary.Abs(p) * pushSlope, noise, leak.Slope);
        return new(
            V.MultiplyAdd(push, epsilon, leak.Apply(zone)),
            V.Select(zone.Saturated, dx, unit.Slope), Elementary.FlipBy(gap * noise * this.push, p));
    }
}

/// <summary>Output noise with the deviation of Eq. 9 in the excess over the threshold, without p (decision 8).</summary>
internal readonly struct OutputExcessOperator(NoisyActivationSpec spec, double c) : INoisyOperator
{
    private readonly UnitLanes unit = new(spec.Unit);
    private readonly NoiseTerm noise = new(spec.Noise);
    private readonly LeakTerm leak = new(spec);
    private readonly float push = (float)(spec.LeakSign * c / 4);
    private readonly float pushSlope = (float)(-spec.LeakSign * c / 2);

    public static bool ReadsNoise => true;

    public static bool ReadsP => false;

    public static bool Sticks => false;

    public static bool TakesExp => true;

    [MethodImpl(AggressiveInlining)]
    public V Exponent<V>(V x, V xi, V p) where V : struct, ILanes<V>
    {
        var excess = UnitLanes.Bounded(unit.Excess(x, unit.At(x)));
        return (excess * excess) | Elementary.SignBit;
    }

    [MethodImpl(AggressiveInlining)]
    public V Forward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var zone = unit.At(x);
        var (tanh, _) = Elementary.HalfTanh(e);
        var push = Elementary.FlipBy(tanh * tanh * this.push, zone.Right);
        return V.MultiplyAdd(push, noise.Apply(xi), leak.Apply(zone));
    }

    [MethodImpl(AggressiveInlining)]
    public Slopes<V> Backward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>
    {
        var zone = unit.At(x);
        var excess = UnitLanes.Bounded(unit.Excess(x, zone));
        var (tanh, slope) = Elementary.HalfTanh(e);
        var epsilon = noise.Apply(xi);
        var push = Elementary.FlipBy(tanh * tanh * this.push, zone.Right);
        var dx = V.MultiplyAdd(excess * slope * pushSlope, epsilon, leak.Slope);
        return new(
            V.MultiplyAdd(push, epsilon, leak.Apply(zone)),
            V.Select(zone.Saturated, dx, unit.Slope), 0f);
    }
}

/// <summary>ε from ξ: as it is, or without its sign.</summary>
internal readonly struct NoiseTerm(NoiseKind noise)
{
    private readonly float mask = BitConverter.Int32BitsToSingle(noise == NoiseKind.HalfNormal ? 0x7FFFFFFF : -1);

    [MethodImpl(AggressiveInlining)]
    internal V Apply<V>(V xi) where V : struct, ILanes<V> => xi & mask;
}
