namespace Noisy.Experiments;

/// <summary>Settings of the classification of points by the component of a mixture.</summary>
public sealed record MixtureSettings : MlpSettings
{
    /// <summary>Points of validation, ≥ 1.</summary>
    public int ValidPoints { get; init; } = 5_000;

    /// <summary>Points of test, ≥ 1.</summary>
    public int TestPoints { get; init; } = 20_000;

    // A checksum is taken of an array of their bytes.
    private static int MostPoints => Array.MaxLength / sizeof(long);

    /// <inheritdoc/>
    public override IEnumerable<string> BrokenRules(TrainingSettings training)
    {
        foreach (var rule in base.BrokenRules(training)) yield return rule;
        if (ValidPoints < 1) yield return $"validPoints is {ValidPoints}: must be >= 1";
        if (TestPoints < 1) yield return $"testPoints is {TestPoints}: must be >= 1";
        if (ValidPoints > MostPoints) yield return $"validPoints is {ValidPoints}: must be at most {MostPoints}";
        if (TestPoints > MostPoints) yield return $"testPoints is {TestPoints}: must be at most {MostPoints}";
    }
}
