using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>A validation of a run, as stop rules see it.</summary>
/// <param name="Update">Updates done before it.</param>
/// <param name="Metrics">Values by name.</param>
public sealed record Validation(long Update, IReadOnlyDictionary<string, double> Metrics)
{
    /// <summary>A metric of the validation.</summary>
    /// <param name="metric">Its name, such as "loss".</param>
    /// <exception cref="UsageException">There is no such metric; the message lists those that exist.</exception>
    public double this[string metric] => Metrics.TryGetValue(metric, out var value) ? value
        : throw new UsageException($"validation has no metric '{metric}': known are {string.Join(", ", Metrics.Keys)}");
}
