namespace Noisy.Core;

/// <summary>Linear layer, softmax and cross-entropy in one, forward and backward, for many classes.</summary>
/// <remarks>
/// Logits are made as [V, rows]: weights are then read in their own layout, rows are lanes of vectors, and no sum goes across
/// lanes. A chunk of classes and a panel of rows become logits, exponentials and a contribution to the gradient of the inputs
/// while they are in the first-level cache; exponentials then go to memory once and come back once, for the gradient of the
/// weights. What makes them probabilities is not known before all classes have passed; it is multiplied in afterwards. Rows
/// that are left out take part in nothing: the others are packed side by side, and the bits are those of a pass over them
/// alone. Precision: single; the same bits for every number of threads and every vector width.
/// </remarks>
internal abstract class SoftmaxKernel
{
    /// <summary>The kernel of a vector width.</summary>
    internal static SoftmaxKernel Create(VectorWidth width) => VectorWidths.Resolve(width) switch
    {
        VectorWidth.Bits512 => new SoftmaxKernel<Lanes16>(),
        VectorWidth.Bits256 => new SoftmaxKernel<Lanes8>(),
        VectorWidth.Bits128 => new SoftmaxKernel<Lanes4>(),
        _ => new SoftmaxKernel<Lanes1>(),
    };

    /// <summary>Losses of all rows that count.</summary>
    /// <param name="x">Layer and inputs.</param>
    /// <param name="targets">Class of each row in [0, V); negative leaves the row out.</param>
    /// <param name="requiresGrad">Which operands will get a gradient.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    /// <returns>Losses, and what the backward pass needs; the caller disposes it.</returns>
    internal abstract SoftmaxTape Forward(SoftmaxInputs x, int[] targets, SoftmaxRequiresGrad requiresGrad, int threads);

    /// <summary>Gradients of the sum of the losses times the gradient scale, those that the tape was made for. The tape is only read.</summary>
    internal abstract void Backward(SoftmaxTape tape, SoftmaxInputs x, float gradientScale, SoftmaxGradients grad, int threads);
}

/// <summary>The kernel compiled for one vector width.</summary>
internal sealed partial class SoftmaxKernel<V> : SoftmaxKernel
    where V : struct, ILanes<V>
{
    // Vectors of a panel.
    private const int MostWide = 3;

    /// <summary>Numbers side by side in a panel.</summary>
    private static int Width => MostWide * V.Count;

    private static int Wide(long left) => Panels.Wide<V>(MostWide, left);
}
