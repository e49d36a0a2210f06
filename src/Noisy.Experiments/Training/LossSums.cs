using Noisy.Models;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>Sums over batches, from which a task makes its metrics.</summary>
/// <param name="NllSum">Summed negative log-likelihood; nats.</param>
/// <param name="Correct">Items predicted right; NaN where the task does not count.</param>
/// <param name="Items">Items behind both; ≥ 0.</param>
public readonly record struct LossSums(double NllSum, double Correct, long Items)
{
    /// <summary>Mean negative log-likelihood; nats an item. 0 before the first item.</summary>
    public double MeanNll => NllSum / Math.Max(1, Items);

    /// <summary>Share of items predicted right, in [0, 1]; NaN where the task does not count, or before the first item.</summary>
    public double Accuracy => Correct / Items;

    /// <summary>Both sums together.</summary>
    public static LossSums operator +(LossSums left, LossSums right) =>
        new(left.NllSum + right.NllSum, left.Correct + right.Correct, left.Items + right.Items);

    /// <summary>The sums of one batch.</summary>
    internal static LossSums From(BatchLoss batch)
    {
        static double Number(Tensor tensor) => tensor.to_type(ScalarType.Float64).item<double>(); // which is exact, whatever the model's precision
        return new(Number(batch.NllSum), batch.Correct is { } correct ? Number(correct) : double.NaN, batch.Items);
    }
}
