using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>h, u and the saturated zones in single precision.</summary>
internal readonly struct UnitLanes
{
    internal readonly float Slope;
    internal readonly float Lower;
    internal readonly float Upper;
    internal readonly float LowerThreshold;
    internal readonly float UpperThreshold;
    private readonly float offset;

    /// <summary>
    /// Thresholds are rounded outward, so that a single-precision x saturates here exactly when it does in the reference;
    /// one that does not exist is NaN, which compares false with everything.
    /// </summary>
    internal UnitLanes(SaturatingUnit unit)
    {
        (Slope, Lower, Upper, offset) = ((float)unit.Slope, (float)unit.Lower, (float)unit.Upper, (float)unit.Offset);
        var (lower, upper) = ((float)unit.LowerThreshold, (float)unit.UpperThreshold);
        if (lower > unit.LowerThreshold) lower = MathF.BitDecrement(lower);
        if (upper < unit.UpperThreshold) upper = MathF.BitIncrement(upper);
        LowerThreshold = float.IsFinite(lower) ? lower : float.NaN;
        UpperThreshold = float.IsFinite(upper) ? upper : float.NaN;
    }

    /// <summary>Where x lies, as masks, with h and Δ there.</summary>
    [MethodImpl(AggressiveInlining)]
    internal Zone<V> At<V>(V x) where V : struct, ILanes<V>
    {
        var left = x <= LowerThreshold;
        var right = x >= UpperThreshold;
        var linear = V.MultiplyAdd(x, Slope, offset);
        var hard = V.Select(left, Lower, V.Select(right, Upper, linear));
        return new(left, right, hard, (hard - linear) & (left | right));
    }

    /// <summary>How far x lies beyond the nearer threshold.</summary>
    [MethodImpl(AggressiveInlining)]
    internal V Excess<V>(V x, Zone<V> zone) where V : struct, ILanes<V> =>
        V.Select(zone.Left, LowerThreshold - x, V.Select(zone.Right, x - UpperThreshold, 0f));

    /// <summary>The largest number in the place of an infinity, whose product with 0 would be NaN.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Bounded<V>(V gap) where V : struct, ILanes<V> =>
        V.Clamp(gap, float.MinValue, float.MaxValue);

    /// <summary>y clipped to the bounds.</summary>
    [MethodImpl(AggressiveInlining)]
    internal V Clip<V>(V y) where V : struct, ILanes<V> => V.Select(y <= Lower, Lower, V.Select(y >= Upper, Upper, y));

    /// <summary>Mask of the y that a clip puts on a bound.</summary>
    [MethodImpl(AggressiveInlining)]
    internal V Outside<V>(V y) where V : struct, ILanes<V> => (y <= Lower) | (y >= Upper);
}

/// <summary>Where several pre-activations lie.</summary>
/// <param name="Left">Mask: left saturated zone.</param>
/// <param name="Right">Mask: right saturated zone.</param>
/// <param name="Hard">h.</param>
/// <param name="Gap">Δ; exactly 0 in the linear zone, which NaN belongs to.</param>
internal readonly record struct Zone<V>(V Left, V Right, V Hard, V Gap)
    where V : struct, ILanes<V>
{
    /// <summary>Mask: either saturated zone.</summary>
    internal V Saturated
    {
        [MethodImpl(AggressiveInlining)]
        get => Left | Right;
    }
}
