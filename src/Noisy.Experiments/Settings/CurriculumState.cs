namespace Noisy.Experiments;

/// <summary>Where a curriculum that goes by results stands; immutable.</summary>
public sealed record CurriculumState
{
    /// <summary>Stage reached, from 1.</summary>
    public int Stage { get; init; } = 1;

    /// <summary>What the learning rate is multiplied by, in (0, 1].</summary>
    public double RateFactor { get; init; } = 1;

    /// <summary>Training accuracies of the last checks since the stage or the rate changed, at most five, oldest first.</summary>
    public IReadOnlyList<double> Accuracies { get; init; } = [];
}
