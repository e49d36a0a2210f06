using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>The innermost loop where one row meets many panels: four panels at a time.</summary>
/// <remarks>One to three sums a panel, each waiting for the one before, would leave the processor idle; those of four keep it at work. Each element is
/// the same chain as in <see cref="MatrixTile"/>.</remarks>
internal static unsafe class RowProduct
{
    /// <summary>Panels that are read side by side.</summary>
    internal const int Panels = 4;

    /// <summary>y = start + x·B for four panels.</summary>
    /// <param name="x">The row.</param>
    /// <param name="depth">Length of k.</param>
    /// <param name="panels">The panels: TWide vectors for each k, one to three.</param>
    /// <param name="start">What is added to, for each panel.</param>
    /// <param name="y">Receives the vectors of each panel; may be start.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Multiply<V, TWide>(float* x, nint depth, float** panels, float** start, float** y)
        where V : struct, ILanes<V>
        where TWide : struct, ICount
    {
        V c00 = 0f, c01 = 0f, c02 = 0f, c10 = 0f, c11 = 0f, c12 = 0f, c20 = 0f, c21 = 0f, c22 = 0f, c30 = 0f, c31 = 0f, c32 = 0f;
        float* b0 = panels[0], b1 = panels[1], b2 = panels[2], b3 = panels[3];
        for (nint k = 0, at = 0; k < depth; k++, at += TWide.Value * V.Count)
        {
            V factor = x[k];
            c00.AddProduct(factor, V.Load(in *(b0 + at), 0));
            if (TWide.Value > 1) c01.AddProduct(factor, V.Load(in *(b0 + at), (nuint)V.Count));
            if (TWide.Value > 2) c02.AddProduct(factor, V.Load(in *(b0 + at), 2 * (nuint)V.Count));
            c10.AddProduct(factor, V.Load(in *(b1 + at), 0));
            if (TWide.Value > 1) c11.AddProduct(factor, V.Load(in *(b1 + at), (nuint)V.Count));
            if (TWide.Value > 2) c12.AddProduct(factor, V.Load(in *(b1 + at), 2 * (nuint)V.Count));
            c20.AddProduct(factor, V.Load(in *(b2 + at), 0));
            if (TWide.Value > 1) c21.AddProduct(factor, V.Load(in *(b2 + at), (nuint)V.Count));
            if (TWide.Value > 2) c22.AddProduct(factor, V.Load(in *(b2 + at), 2 * (nuint)V.Count));
            c30.AddProduct(factor, V.Load(in *(b3 + at), 0));
            if (TWide.Value > 1) c31.AddProduct(factor, V.Load(in *(b3 + at), (nuint)V.Count));
            if (TWide.Value > 2) c32.AddProduct(factor, V.Load(in *(b3 + at), 2 * (nuint)V.Count));
        }

        Finish<V, TWide>(c00, c01, c02, start[0], y[0]);
        Finish<V, TWide>(c10, c11, c12, start[1], y[1]);
        Finish<V, TWide>(c20, c21, c22, start[2], y[2]);
        Finish<V, TWide>(c30, c31, c32, start[3], y[3]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<V, TWide>(V first, V second, V third, float* start, float* y)
        where V : struct, ILanes<V>
        where TWide : struct, ICount
    {
        (V.Load(in *start, 0) + first).Store(ref *y, 0);
        if (TWide.Value > 1) (V.Load(in *start, (nuint)V.Count) + second).Store(ref *y, (nuint)V.Count);
        if (TWide.Value > 2) (V.Load(in *start, 2 * (nuint)V.Count) + third).Store(ref *y, 2 * (nuint)V.Count);
    }
}
