namespace Noisy.Experiments;

/// <summary>A value of the metric that is worth a line in pictures.</summary>
/// <param name="Name">What reaches it, such as "always the most frequent answer".</param>
/// <param name="Value">The value.</param>
public sealed record MetricLevel(string Name, double Value);
