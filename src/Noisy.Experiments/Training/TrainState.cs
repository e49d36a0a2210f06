using System.Text.Json.Serialization;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Where a run stands; immutable, replaced at each update. Data position and learning rate follow from it.</summary>
internal sealed record TrainState
{
    /// <summary>Updates done.</summary>
    public long Update { get; init; }

    /// <summary>Time spent on updates so far, over all sessions; seconds.</summary>
    public double Seconds { get; init; }

    /// <summary>Sums over the batches since the last evaluation.</summary>
    [JsonPropertyName("score")]
    public LossSums Sums { get; init; }

    /// <summary>Items trained on since the start.</summary>
    public long Items { get; init; }

    /// <summary>Evaluations done and logged.</summary>
    public long Evaluations { get; init; }

    /// <summary>Where a curriculum that goes by results stands.</summary>
    public CurriculumState Curriculum { get; init; } = new();

    /// <summary>Best validation metric at the last stage so far; null before the first.</summary>
    public double? Best { get; init; }

    /// <summary>Update of <see cref="Best"/>.</summary>
    public long BestUpdate { get; init; }

    /// <summary>Evaluations at the last stage since <see cref="Best"/>.</summary>
    public int WithoutImprovement { get; init; }

    /// <summary>Update at which validation reached <see cref="TrainingSettings.StopAt"/>; null if it has not.</summary>
    public long? SolvedAtUpdate { get; init; }

    /// <summary>The rule that ended the run before its last epoch; null if none has.</summary>
    public RunEnd? EndedBy { get; init; }

    /// <summary>All validations at the last stage so far.</summary>
    public IReadOnlyList<Validation> History { get; init; } = [];

    /// <summary>Training metrics up to the last evaluation; null before the first.</summary>
    public IReadOnlyDictionary<string, double>? Train { get; init; }

    /// <summary>Validation metrics of the last evaluation; null before the first.</summary>
    public IReadOnlyDictionary<string, double>? Valid { get; init; }

    /// <summary>Stage of difficulty of <see cref="Valid"/>.</summary>
    public int ValidStage { get; init; } = 1;
}
