using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What one update's batch gave.</summary>
/// <param name="Objective">Scalar to be differentiated; in the recurrent tasks summed over time, averaged over the batch.</param>
/// <param name="NllSum">The same batch's summed negative log-likelihood in nats, detached.</param>
/// <param name="Items">How many items (tokens, examples) the sum covers; ≥ 0.</param>
/// <param name="Correct">How many of the items were predicted right, a detached scalar; null if the task does not count.</param>
public sealed record BatchLoss(Tensor Objective, Tensor NllSum, long Items, Tensor? Correct = null);

/// <summary>Sums over batches, from which a task makes its metrics.</summary>
/// <param name="NllSum">Summed negative log-likelihood; nats.</param>
/// <param name="Correct">Items predicted right; NaN where the task does not count.</param>
/// <param name="Items">Items behind both; ≥ 0.</param>
public readonly record struct Score(double NllSum, double Correct, long Items)
{
    /// <summary>Mean negative log-likelihood; nats an item. 0 before the first item.</summary>
    public double MeanNll => NllSum / Math.Max(1, Items);

    /// <summary>Share of items predicted right, in [0, 1]; NaN where the task does not count, or before the first item.</summary>
    public double Accuracy => Correct / Items;

    /// <summary>Both sums together.</summary>
    public static Score operator +(Score left, Score right) =>
        new(left.NllSum + right.NllSum, left.Correct + right.Correct, left.Items + right.Items);

    /// <summary>The score of one batch.</summary>
    internal static Score Of(BatchLoss batch) =>
        new(batch.NllSum.item<float>(), batch.Correct is { } correct ? correct.to_type(ScalarType.Float64).item<double>() : double.NaN, batch.Items);
}
