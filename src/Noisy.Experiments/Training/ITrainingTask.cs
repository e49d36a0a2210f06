using Noisy.Core;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>
/// Model and data of one run, as the trainer sees them. The trainer owns the loop; the task owns what is particular to its
/// experiment.
/// </summary>
/// <remarks>Stages of difficulty count from 1; the last is the experiment's own setting. A task without easier forms has
/// one. Errors and accuracies are fractions in [0, 1].</remarks>
public interface ITrainingTask : IDisposable
{
    /// <summary>The model with all trained parameters.</summary>
    nn.Module Model { get; }

    /// <summary>Which implementation the last pass ran on: "fused-cpu" or "composed".</summary>
    string Backend { get; }

    /// <summary>What the data are.</summary>
    DataIdentity Data { get; }

    /// <summary>What was left out of the data, and how they were cut, a sentence each, for the user; default nothing.</summary>
    IReadOnlyList<string> DataNotes => [];

    /// <summary>Updates in one pass over the training data, or in what the config calls an epoch of generated ones; ≥ 1.</summary>
    long UpdatesPerEpoch { get; }

    /// <summary>Evaluations in an epoch, evenly spaced, the last at its end; ≥ 1, a divisor of <see cref="UpdatesPerEpoch"/>.</summary>
    int EvaluationsPerEpoch => 1;

    /// <summary>Whether every epoch shows the same data again; false where examples are always new, so that pictures count
    /// updates and not epochs.</summary>
    bool RepeatsData => true;

    /// <summary>Stages of difficulty, ≥ 1.</summary>
    int Stages => 1;

    /// <summary>What an item is called in tables: "token", "example".</summary>
    string ItemName { get; }

    /// <summary>Name of the metric that validation is judged by, such as "perplexity", "error", "nll", "accuracy".</summary>
    string Metric { get; }

    /// <summary>Whether a higher value of <see cref="Metric"/> is a better one.</summary>
    bool HigherIsBetter => false;

    /// <summary>Text by name that the exported weights carry besides what every run's do, so that they can be read by
    /// themselves, such as the vocabulary; default none.</summary>
    IReadOnlyDictionary<string, string> Metadata => new Dictionary<string, string>();

    /// <summary>State that one update hands to the next, by name; saved with every checkpoint; default none.</summary>
    IReadOnlyDictionary<string, Tensor> Carried => new Dictionary<string, Tensor>();

    /// <summary>Puts back what <see cref="Carried"/> gave.</summary>
    /// <param name="carried">Tensors by name; copied.</param>
    void Restore(IReadOnlyDictionary<string, Tensor> carried)
    {
    }

    /// <summary>The experiment's own stop rule: whether the run is finished. Asked after each validation at the last stage; it must
    /// depend on its argument alone, or a resumed run may end elsewhere. Default never.</summary>
    /// <param name="history">All validations at the last stage so far, the latest last.</param>
    bool IsOver(IReadOnlyList<Validation> history) => false;

    /// <summary>Forward pass of one update.</summary>
    /// <param name="position">Update, epoch, place in it, stage.</param>
    /// <param name="context">Mode, key, update and scale.</param>
    BatchLoss Loss(BatchPosition position, NoiseContext context);

    /// <summary>What is wrong with the batch of an update in itself, in a clause; asked when training has diverged there. Null (default) if
    /// nothing is known.</summary>
    /// <param name="position">As <see cref="Loss"/> took it.</param>
    string? FaultOf(BatchPosition position) => null;

    /// <summary>Turns sums over batches into the task's metrics.</summary>
    /// <param name="sums">The sums.</param>
    /// <returns>Values by name; <see cref="Metric"/> is among them if the sums suffice for it.</returns>
    IReadOnlyDictionary<string, double> Metrics(LossSums sums);

    /// <summary>Evaluates a split without changing anything that training sees.</summary>
    /// <param name="split">Validation or test.</param>
    /// <param name="stage">Stage of difficulty; test is always evaluated at the last.</param>
    /// <param name="context">How noise is treated.</param>
    /// <param name="stop">Asks to give up.</param>
    /// <returns>Values by name; <see cref="Metric"/> is among them.</returns>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    IReadOnlyDictionary<string, double> Evaluate(Split split, int stage, NoiseContext context, CancellationToken stop);
}
