using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>What every cell does at a noisy site.</summary>
internal static unsafe class CellSite
{
    /// <summary>φ of the site.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Value<TOperator, V>(TOperator op, in CellPlace at, int site, V x)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V> => op.Forward(x, Noise<TOperator, V>(at, site), Gain<TOperator, V>(at, site));

    /// <summary>φ of the site and its slopes.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static Slopes<V> Slopes<TOperator, V>(TOperator op, in CellPlace at, int site, V x)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V> => op.Backward(x, Noise<TOperator, V>(at, site), Gain<TOperator, V>(at, site));

    /// <summary>Adds to the gradient in the site's gains.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static void AddGain<TOperator, V>(in CellPlace at, int site, V grad, Slopes<V> slopes)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V>
    {
        if (!TOperator.ReadsP) return;
        var sum = at.GradGains + (site * at.Block);
        V.MultiplyAdd(grad, slopes.Dp, V.Load(in *sum, 0)).Store(ref *sum, 0);
    }

    [MethodImpl(AggressiveInlining)]
    private static V Noise<TOperator, V>(in CellPlace at, int site)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V> => TOperator.ReadsNoise ? V.Load(in *(at.Noise + (site * at.NoiseSite)), 0) : 0f;

    [MethodImpl(AggressiveInlining)]
    private static V Gain<TOperator, V>(in CellPlace at, int site)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V> => TOperator.ReadsP ? V.Load(in *(at.Gains + (site * at.Block)), 0) : 0f;
}
