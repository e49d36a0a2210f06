namespace Noisy.Models;

/// <summary>Config of a multilayer perceptron that classifies.</summary>
public abstract record MlpConfig : TrainConfig
{
    /// <summary>Hidden layers, ≥ 1.</summary>
    public int Layers { get; init; } = 1;

    /// <summary>Units of a hidden layer, ≥ 1.</summary>
    public int Hidden { get; init; } = 500;

    /// <summary>Examples an update, ≥ 1.</summary>
    public int Batch { get; init; } = 100;

    /// <inheritdoc/>
    protected override IEnumerable<string> BrokenRules()
    {
        foreach (var rule in base.BrokenRules()) yield return rule;
        if (Layers < 1) yield return $"layers is {Layers}: must be >= 1";
        if (Hidden < 1) yield return $"hidden is {Hidden}: must be >= 1";
        if (Batch < 1) yield return $"batch is {Batch}: must be >= 1";
    }
}

/// <summary>Config of the classification of digits.</summary>
public sealed record MnistConfig : MlpConfig
{
    /// <summary>Training images used, from the start; 0 uses all.</summary>
    public int TrainImages { get; init; }

    /// <inheritdoc/>
    protected override IEnumerable<string> BrokenRules()
    {
        foreach (var rule in base.BrokenRules()) yield return rule;
        if (TrainImages < 0) yield return $"trainImages is {TrainImages}: must be >= 0 (0 uses all)";
    }
}

/// <summary>Config of the classification of points by the component of a mixture.</summary>
public sealed record MixtureConfig : MlpConfig
{
    /// <summary>Updates that count as an epoch, ≥ 1; validation follows each.</summary>
    public int EpochUpdates { get; init; } = 500;

    /// <summary>Points of validation, ≥ 1.</summary>
    public int ValidPoints { get; init; } = 5_000;

    /// <summary>Points of test, ≥ 1.</summary>
    public int TestPoints { get; init; } = 20_000;

    /// <inheritdoc/>
    protected override IEnumerable<string> BrokenRules()
    {
        foreach (var rule in base.BrokenRules()) yield return rule;
        if (EpochUpdates < 1) yield return $"epochUpdates is {EpochUpdates}: must be >= 1";
        if (ValidPoints < 1) yield return $"validPoints is {ValidPoints}: must be >= 1";
        if (TestPoints < 1) yield return $"testPoints is {TestPoints}: must be >= 1";
    }
}
