using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>From the numbers that a head gets from the controller to its parameters, and back.</summary>
/// <remarks>
/// Key and add vector by tanh, erase vector and gate by the logistic function, strength by softplus, sharpening by 1 +
/// softplus, shifts by softmax. Numbers of a head: key, strength, gate, shifts, sharpening, and of a write head erase and add.
/// </remarks>
internal static unsafe class HeadParameters
{
    private const int Lanes = Padding.Lanes;

    /// <summary>Makes the parameters; the record's padding of the vectors may hold anything finite.</summary>
    /// <param name="from">First number of the head; up to 15 floats beyond the last are read.</param>
    /// <param name="size">Sizes.</param>
    /// <param name="writes">Whether it is a write head.</param>
    /// <param name="turn">Receives the parameters.</param>
    [MethodImpl(AggressiveOptimization)]
    internal static void Forward<V>(float* from, NtmDimensions size, bool writes, HeadTurn turn) where V : struct, ILanes<V>
    {
        Tanh<V>(from, size.Width, turn.Key);
        var scalars = from + size.Width;
        var values = turn.Scalars;
        var sigmoids = turn.Sigmoids;
        for (nuint i = 0; i < Lanes; i += (nuint)V.Count)
        {
            var (value, slope) = Elementary.Softplus(V.Load(in *scalars, i));
            value.Store(ref *values, i);
            slope.Store(ref *sigmoids, i);
        }

        values[NtmDimensions.Gate] = sigmoids[NtmDimensions.Gate];
        values[NtmDimensions.Sharpening] += 1;
        Softmax(scalars + NtmDimensions.Shift, values + NtmDimensions.Shift);
        if (!writes) return;
        var vectors = scalars + NtmDimensions.Scalars;
        for (nuint i = 0; i < (nuint)size.Width; i += (nuint)V.Count) Elementary.Sigmoid(V.Load(in *vectors, i)).Store(ref *turn.Erase, i);
        Tanh<V>(vectors + size.Width, size.Width, turn.Add);
    }

    /// <summary>From gradients in the parameters to those in the numbers.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="writes">Whether it is a write head.</param>
    /// <param name="turn">The parameters.</param>
    /// <param name="grad">Gradients in them.</param>
    /// <param name="to">Receives the gradients in the head's numbers.</param>
    internal static void Backward(NtmDimensions size, bool writes, HeadTurn turn, HeadGradients grad, float* to)
    {
        var width = size.Width;
        for (var i = 0; i < width; i++) to[i] = grad.Key[i] * (1 - (turn.Key[i] * turn.Key[i]));
        var values = turn.Scalars;
        var sigmoids = turn.Sigmoids;
        var scalars = to + width;
        scalars[NtmDimensions.Strength] = grad.Scalars[NtmDimensions.Strength] * sigmoids[NtmDimensions.Strength];
        scalars[NtmDimensions.Gate] = grad.Scalars[NtmDimensions.Gate] * sigmoids[NtmDimensions.Gate] * (1 - sigmoids[NtmDimensions.Gate]);
        scalars[NtmDimensions.Sharpening] = grad.Scalars[NtmDimensions.Sharpening] * sigmoids[NtmDimensions.Sharpening];
        var shift = values + NtmDimensions.Shift;
        var upstream = grad.Scalars + NtmDimensions.Shift;
        var mean = (shift[0] * upstream[0]) + (shift[1] * upstream[1]) + (shift[2] * upstream[2]);
        for (var i = 0; i < 3; i++) scalars[NtmDimensions.Shift + i] = shift[i] * (upstream[i] - mean);
        if (!writes) return;
        var vectors = scalars + NtmDimensions.Scalars;
        for (var i = 0; i < width; i++)
        {
            vectors[i] = grad.Erase[i] * turn.Erase[i] * (1 - turn.Erase[i]);
            vectors[width + i] = grad.Add[i] * (1 - (turn.Add[i] * turn.Add[i]));
        }
    }

    [MethodImpl(AggressiveInlining)]
    private static void Tanh<V>(float* from, int count, float* to) where V : struct, ILanes<V>
    {
        for (nuint i = 0; i < (nuint)count; i += (nuint)V.Count) Elementary.Tanh(V.Load(in *from, i)).Store(ref *to, i);
    }

    /// <summary>Softmax of three numbers.</summary>
    private static void Softmax(float* from, float* to)
    {
        var most = MathF.Max(from[0], MathF.Max(from[1], from[2]));
        var sum = 0f;
        for (var i = 0; i < 3; i++)
        {
            Elementary.Exp<Lanes1>(from[i] - most).Value.Store(ref to[i], 0);
            sum += to[i];
        }

        for (var i = 0; i < 3; i++) to[i] /= sum;
    }
}

/// <summary>Room for the gradients in a head's parameters; laid out as in <see cref="HeadTurn"/>.</summary>
internal readonly unsafe struct HeadGradients(float* start, NtmDimensions size)
{
    private readonly float* start = start;
    private readonly int width = size.PaddedWidth;

    internal static int Length(NtmDimensions size) => (3 * size.PaddedWidth) + Padding.Lanes;

    internal float* Key => start;

    internal float* Erase => start + width;

    internal float* Add => start + (2 * width);

    /// <summary>In strength, gate, shifts, sharpening.</summary>
    internal float* Scalars => start + (3 * width);
}
