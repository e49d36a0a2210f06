namespace Noisy.Experiments;

/// <summary>Settings of the classification of digits.</summary>
public sealed record MnistSettings : MlpSettings
{
    /// <summary>Training images used, from the start; 0 uses all.</summary>
    public int TrainImages { get; init; }

    /// <inheritdoc/>
    public override IEnumerable<string> BrokenRules(TrainingSettings training)
    {
        foreach (var rule in base.BrokenRules(training)) yield return rule;
        if (TrainImages < 0) yield return $"trainImages is {TrainImages}: must be >= 0 (0 uses all)";
    }
}
