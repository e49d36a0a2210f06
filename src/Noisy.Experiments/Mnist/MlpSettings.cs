namespace Noisy.Experiments;

/// <summary>Settings of a multilayer perceptron that classifies.</summary>
public abstract record MlpSettings : ISettings
{
    /// <summary>Hidden layers, ≥ 1.</summary>
    public int Layers { get; init; } = 1;

    /// <summary>Units of a hidden layer, ≥ 1.</summary>
    public int Hidden { get; init; } = 500;

    /// <summary>Examples an update, ≥ 1.</summary>
    public int Batch { get; init; } = 100;

    /// <inheritdoc/>
    public virtual IEnumerable<string> BrokenRules(TrainingSettings training)
    {
        if (Layers < 1) yield return $"layers is {Layers}: must be >= 1";
        if (Hidden < 1) yield return $"hidden is {Hidden}: must be >= 1";
        if (Batch < 1) yield return $"batch is {Batch}: must be >= 1";
    }
}
