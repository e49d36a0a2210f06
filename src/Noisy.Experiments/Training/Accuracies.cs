namespace Noisy.Experiments;

/// <summary>The accuracy that a map of metrics tells.</summary>
internal static class Accuracies
{
    /// <summary>The value of "accuracy", else 1 less that of "error"; null if there is neither.</summary>
    public static double? In(IReadOnlyDictionary<string, double> metrics) =>
        metrics.TryGetValue("accuracy", out var accuracy) ? accuracy : metrics.TryGetValue("error", out var error) ? 1 - error : null;
}
