using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A part of the data.</summary>
public enum Split
{
    /// <summary>What the model learns from.</summary>
    Train,

    /// <summary>What decisions are made on.</summary>
    Valid,

    /// <summary>What is reported.</summary>
    Test,
}

/// <summary>Loss of one update.</summary>
/// <param name="Objective">Scalar to be differentiated; in the recurrent tasks summed over time, averaged over the batch.</param>
/// <param name="NllSum">The same batch's summed negative log-likelihood in nats, detached.</param>
/// <param name="Items">How many items (tokens, examples) the sum covers.</param>
public sealed record BatchLoss(Tensor Objective, Tensor NllSum, long Items);

/// <summary>
/// Model and data of one run, as the trainer sees them. The trainer owns the loop; the task owns what is particular to its
/// experiment.
/// </summary>
public interface ITrainingTask : IDisposable
{
    /// <summary>The model with all trained parameters.</summary>
    nn.Module Model { get; }

    /// <summary>Which implementation the last pass ran on: "fused-cpu" or "composed".</summary>
    string Path { get; }

    /// <summary>What the data are.</summary>
    DataIdentity Data { get; }

    /// <summary>Updates in one pass over the training data, ≥ 1.</summary>
    long UpdatesPerEpoch { get; }

    /// <summary>What an item is called in tables: "token", "example".</summary>
    string ItemName { get; }

    /// <summary>Name of the metric that validation is judged by, lower being better, such as "perplexity".</summary>
    string Metric { get; }

    /// <summary>Text by name that the exported weights carry besides what every run's do, so that they can be read by
    /// themselves, such as the vocabulary; default none.</summary>
    IReadOnlyDictionary<string, string> Metadata => new Dictionary<string, string>();

    /// <summary>State that one update hands to the next, by name; saved with every checkpoint.</summary>
    IReadOnlyDictionary<string, Tensor> Carried { get; }

    /// <summary>Puts back what <see cref="Carried"/> gave.</summary>
    /// <param name="carried">Tensors by name; copied.</param>
    void Restore(IReadOnlyDictionary<string, Tensor> carried);

    /// <summary>Forward pass of one update.</summary>
    /// <param name="position">Update within the epoch, from 0.</param>
    /// <param name="context">Mode, key, update and scale.</param>
    BatchLoss Loss(long position, NoiseContext context);

    /// <summary>Turns a mean negative log-likelihood into the task's metrics.</summary>
    /// <param name="meanNll">Nats an item.</param>
    IReadOnlyDictionary<string, double> Metrics(double meanNll);

    /// <summary>Evaluates a split without changing anything that training sees.</summary>
    /// <param name="split">Validation or test.</param>
    /// <param name="context">How noise is treated.</param>
    /// <param name="stop">Asks to give up.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    IReadOnlyDictionary<string, double> Evaluate(Split split, NoiseContext context, CancellationToken stop);
}
