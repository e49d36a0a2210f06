using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>What every cell does at its noisy sites, one site at a time: a loop that holds one activation alone stays within
/// what the compiler inlines; one that holds five does not, and is ten times slower.</summary>
internal static unsafe class CellSite
{
    // Of each place three vectors: value, slope in x, slope in p.
    private const int Part = Padding.Lanes, Place = 3 * Part, Site = CellPlace.MaxCount * Place;

    /// <summary>Floats of scratch that a cell's gate arithmetic needs.</summary>
    internal static int ScratchLength<TCell>()
        where TCell : struct, ICell => (TCell.Sites + TCell.Rooms) * Site;

    /// <summary>φ of a site.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Value<V>(in CellPlace at, int site, int i) where V : struct, ILanes<V> => V.Load(in *At(at, site, i), 0);

    /// <summary>grad · ∂φ/∂x of a site.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Down<TOperator, V>(in CellPlace at, int site, int i, V grad)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V>
    {
        var slope = V.Load(in *(At(at, site, i) + Part), 0);
        return ChainRule.Passing<TOperator, V>(grad, slope) * slope;
    }

    /// <summary>grad · ∂φ/∂x of a site, added to a sum.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static V Down<TOperator, V>(in CellPlace at, int site, int i, V grad, V sum)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V>
    {
        var slope = V.Load(in *(At(at, site, i) + Part), 0);
        return V.MultiplyAdd(ChainRule.Passing<TOperator, V>(grad, slope), slope, sum);
    }

    /// <summary>Evaluates a site for all places.</summary>
    /// <param name="op">Its activation.</param>
    /// <param name="at">Where everything is.</param>
    /// <param name="site">Number of the site.</param>
    /// <param name="x">Pre-activation of the first place.</param>
    /// <param name="stepX">Floats from place to place of it.</param>
    [MethodImpl(NoInlining | AggressiveOptimization)]
    internal static void Values<TOperator, V>(TOperator op, in CellPlace at, int site, float* x, nint stepX)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V>
    {
        var inputs = Inputs(at, site, x, stepX);
        var to = At(at, site, 0);
        var count = at.Count;
        OperatorLoops.Begin<TOperator, V>(op, inputs, count, to, to + Part, Place);
        for (var i = 0; i < count; i++, to += Place, inputs.Next())
        {
            var e = OperatorLoops.End<TOperator, V>(to, to + Part);
            op.Forward(inputs.PreActivation<V>(), inputs.Noise<TOperator, V>(), inputs.Gain<TOperator, V>(), e).Store(ref *to, 0);
        }
    }

    /// <summary>Evaluates a site and its slopes for all places.</summary>
    /// <inheritdoc cref="Values"/>
    [MethodImpl(NoInlining | AggressiveOptimization)]
    internal static void Slopes<TOperator, V>(TOperator op, in CellPlace at, int site, float* x, nint stepX)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V>
    {
        var inputs = Inputs(at, site, x, stepX);
        var to = At(at, site, 0);
        var count = at.Count;
        OperatorLoops.Begin<TOperator, V>(op, inputs, count, to, to + Part, Place);
        for (var i = 0; i < count; i++, to += Place, inputs.Next())
        {
            var e = OperatorLoops.End<TOperator, V>(to, to + Part);
            var slopes = op.Backward(inputs.PreActivation<V>(), inputs.Noise<TOperator, V>(), inputs.Gain<TOperator, V>(), e);
            slopes.Value.Store(ref *to, 0);
            slopes.Dx.Store(ref *(to + Part), 0);
            if (TOperator.ReadsP) slopes.Dp.Store(ref *(to + (2 * Part)), 0);
        }
    }

    /// <summary>Adds to a place's gradient in the site's gains.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static void AddGain<TOperator, V>(in CellPlace at, int site, int i, V grad)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V>
    {
        if (!TOperator.ReadsP) return;
        var sum = at.GradGains + (i * at.GradGainStride) + (site * at.Block);
        var from = At(at, site, i);
        V.MultiplyAdd(ChainRule.Passing<TOperator, V>(grad, V.Load(in *(from + Part), 0)), V.Load(in *(from + (2 * Part)), 0), V.Load(in *sum, 0))
            .Store(ref *sum, 0);
    }

    /// <summary>Scratch beside that of the sites: a vector for each place.</summary>
    /// <param name="at">Where everything is.</param>
    /// <param name="room">Number of the room, below <see cref="ICell.Rooms"/>.</param>
    internal static float* Room<TCell>(in CellPlace at, int room)
        where TCell : struct, ICell => At(at, TCell.Sites + room, 0);

    /// <summary>Floats from place to place of the scratch.</summary>
    internal const int RoomStep = Place;

    private static OperatorInputs Inputs(in CellPlace at, int site, float* x, nint stepX) =>
        new(x, stepX, at.Noise + (site * at.NoiseSite), at.NoiseStride, at.Gains + (site * at.Block), at.GainStride);

    [MethodImpl(AggressiveInlining)]
    private static float* At(in CellPlace at, int site, int i) => at.Scratch + (site * Site) + (i * Place);
}
