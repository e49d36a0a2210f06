using System.Text.Json.Serialization;

namespace Noisy.Experiments;

/// <summary>Metrics of a run by split; each a map from name to value.</summary>
/// <param name="Train">Over the batches up to the last evaluation since the one before, with noise; over those so far if the
/// run stopped between two.</param>
/// <param name="Valid">With the weights that were tested.</param>
/// <param name="Test">At the last stage of difficulty, with the final weights or, if the config says <c>keepBest</c>, the
/// best.</param>
public sealed record SplitMetrics(
    IReadOnlyDictionary<string, double> Train, IReadOnlyDictionary<string, double> Valid, IReadOnlyDictionary<string, double> Test);
