using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>The exponentials of an activation for many elements, in short loops.</summary>
/// <remarks>In a formula each operation waits for the one before. A processor fills that time with other elements, as far ahead as it holds
/// operations ready: of a short loop it overlaps more turns than of one as long as a formula.</remarks>
internal static unsafe class OperatorLoops
{
    /// <summary>Does for each element what comes before <see cref="Exponential{V}"/>; <see cref="End"/> gives it. Nothing for an activation that
    /// takes none.</summary>
    /// <param name="op">The activation.</param>
    /// <param name="x">Pre-activations, ξ and p: the first vectors, each with the floats from vector to vector.</param>
    /// <param name="count">Vectors.</param>
    /// <param name="rest">Receives a vector each; and so does scale.</param>
    /// <param name="scale">See rest.</param>
    /// <param name="step">Floats from vector to vector of both.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Begin<TOperator, V>(TOperator op, OperatorInputs x, int count, float* rest, float* scale, nint step)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V>
    {
        if (!TOperator.TakesExp) return;
        float* to = rest, power = scale, end = rest + (count * step);
        for (; to < end; to += step, power += step, x.Next())
        {
            var (r, twoToN) = Elementary.Reduce(op.Exponent(x.PreActivation<V>(), x.Noise<TOperator, V>(), x.Gain<TOperator, V>()));
            r.Store(ref *to, 0);
            twoToN.Store(ref *power, 0);
        }

        for (to = rest; to < end; to += step) Elementary.Polynomial(V.Load(in *to, 0)).Store(ref *to, 0);
    }

    /// <summary>The exponential of an element; anything for an activation that takes none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Exponential<V> End<TOperator, V>(float* rest, float* scale)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V> =>
        TOperator.TakesExp ? Elementary.Join(V.Load(in *rest, 0), V.Load(in *scale, 0)) : default;
}

/// <summary>What an activation reads of an element, and the floats to the next vector. What it does not read may be null.</summary>
internal unsafe struct OperatorInputs(float* x, nint stepX, float* noise, nint stepNoise, float* gain, nint stepGain)
{
    private readonly nint stepX = stepX, stepNoise = stepNoise, stepGain = stepGain;
    private float* x = x, noise = noise, gain = gain;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal readonly V PreActivation<V>() where V : struct, ILanes<V> => V.Load(in *x, 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal readonly V Noise<TOperator, V>()
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V> => TOperator.ReadsNoise ? V.Load(in *noise, 0) : 0f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal readonly V Gain<TOperator, V>()
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V> => TOperator.ReadsP ? V.Load(in *gain, 0) : 0f;

    /// <summary>Goes on to the next vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Next()
    {
        x += stepX;
        noise += stepNoise;
        gain += stepGain;
    }
}
