using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>The innermost loop where one row meets many panels: four panels of two vectors at a time.</summary>
/// <remarks>Two sums a panel, each waiting for the one before, would leave the processor idle; eight keep it at work. Each element is the same
/// chain as in <see cref="MatrixTile"/>.</remarks>
internal static unsafe class RowProduct
{
    /// <summary>Panels that are read side by side.</summary>
    internal const int Panels = 4;

    /// <summary>y = start + x·B for four panels.</summary>
    /// <param name="x">The row.</param>
    /// <param name="depth">Length of k.</param>
    /// <param name="panels">The panels: two vectors for each k.</param>
    /// <param name="start">What is added to, for each panel.</param>
    /// <param name="y">Receives two vectors for each panel; may be start.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Multiply<V>(float* x, nint depth, float** panels, float** start, float** y)
        where V : struct, ILanes<V>
    {
        V c00 = 0f, c01 = 0f, c10 = 0f, c11 = 0f, c20 = 0f, c21 = 0f, c30 = 0f, c31 = 0f;
        float* b0 = panels[0], b1 = panels[1], b2 = panels[2], b3 = panels[3];
        for (nint k = 0, at = 0; k < depth; k++, at += 2 * V.Count)
        {
            V factor = x[k];
            c00 = V.MultiplyAdd(factor, V.Load(in *(b0 + at), 0), c00);
            c01 = V.MultiplyAdd(factor, V.Load(in *(b0 + at), (nuint)V.Count), c01);
            c10 = V.MultiplyAdd(factor, V.Load(in *(b1 + at), 0), c10);
            c11 = V.MultiplyAdd(factor, V.Load(in *(b1 + at), (nuint)V.Count), c11);
            c20 = V.MultiplyAdd(factor, V.Load(in *(b2 + at), 0), c20);
            c21 = V.MultiplyAdd(factor, V.Load(in *(b2 + at), (nuint)V.Count), c21);
            c30 = V.MultiplyAdd(factor, V.Load(in *(b3 + at), 0), c30);
            c31 = V.MultiplyAdd(factor, V.Load(in *(b3 + at), (nuint)V.Count), c31);
        }

        Finish(c00, c01, start[0], y[0]);
        Finish(c10, c11, start[1], y[1]);
        Finish(c20, c21, start[2], y[2]);
        Finish(c30, c31, start[3], y[3]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<V>(V first, V second, float* start, float* y)
        where V : struct, ILanes<V>
    {
        (V.Load(in *start, 0) + first).Store(ref *y, 0);
        (V.Load(in *start, (nuint)V.Count) + second).Store(ref *y, (nuint)V.Count);
    }
}
