using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>α h + (1 − α) u as h − (1 − α) Δ, which does not cancel for large |x|.</summary>
internal readonly struct LeakTerm(NoisyActivationSpec spec)
{
    private readonly float negatedLeak = (float)(spec.Alpha - 1);

    // Without a leak the gap does not count, not even an infinite one, whose product with 0 would be NaN.
    private readonly float mask = BitConverter.Int32BitsToSingle(spec.Alpha == 1 ? 0 : -1);

    /// <summary>Slope of the mean in the saturated zones.</summary>
    internal readonly float Slope = (float)((1 - spec.Alpha) * spec.Unit.Slope);

    [MethodImpl(AggressiveInlining)]
    internal V Apply<V>(Zone<V> zone) where V : struct, ILanes<V> => V.MultiplyAdd(zone.Gap & mask, negatedLeak, zone.Hard);
}
