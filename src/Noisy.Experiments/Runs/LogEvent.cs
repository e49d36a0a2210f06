using System.Text.Json.Serialization;
using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>One line of a run's log. Times are not logged, so that an interrupted run's log equals an uninterrupted one's.</summary>
/// <param name="Event">"update"; "epoch" for the evaluation at an epoch's end, "check" for one before it; "gap" where lines were
/// lost.</param>
/// <param name="Update">Updates done after this event. Gap: the last update of which something is lost.</param>
/// <param name="Epoch">Epoch, from 1. Gap: that of its last update.</param>
/// <param name="LearningRate">Learning rate in force. Gap: NaN, since it is not known.</param>
/// <param name="Scale">Annealed noise scale c in force; null if each site has its own.</param>
/// <param name="Loss">Update: the batch's mean negative log-likelihood, nats an item.</param>
/// <param name="GradientNorm">Update: global norm of the gradient before clipping.</param>
/// <param name="Accuracy">Update: share of the batch's items predicted right, in [0, 1]; null if the task does not count.</param>
/// <param name="Stage">Stage of difficulty, from 1; null if the task has one.</param>
/// <param name="Train">Evaluation: metrics over the batches since the one before, with noise, as they were trained on.</param>
/// <param name="Valid">Evaluation: validation metrics.</param>
/// <param name="From">Gap: the first update of which something is lost, its line or that of the evaluation after it.</param>
/// <param name="Sites">Update: what saturation and noise did in it, by nonlinearity, with the weights before it; null if it was not
/// monitored.</param>
public sealed record LogEvent(
    string Event,
    long Update,
    int Epoch,
    double LearningRate,
    double? Scale,
    double? Loss = null,
    double? GradientNorm = null,
    double? Accuracy = null,
    int? Stage = null,
    IReadOnlyDictionary<string, double>? Train = null,
    IReadOnlyDictionary<string, double>? Valid = null,
    long? From = null,
    IReadOnlyDictionary<string, SiteStatistics>? Sites = null)
{
    /// <summary>Whether this is an evaluation and not an update.</summary>
    [JsonIgnore]
    public bool IsEvaluation => Valid is not null;

    /// <summary>Whether lines are missing here.</summary>
    [JsonIgnore]
    internal bool IsGap => From is not null;

    /// <summary>A place where lines are missing.</summary>
    internal static LogEvent Gap(long from, long to, long perEpoch) =>
        new("gap", to, (int)((Math.Max(to, 1) - 1) / perEpoch) + 1, double.NaN, null, From: from);
}
