using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Associative recall with a Neural Turing Machine (paper, Section 6.6, Figure 9): annealed noise in the controller
/// beside none.</summary>
/// <remarks>Sizes, budget and optimiser that the paper does not tell are decision 22's. All data are generated.</remarks>
public sealed class NtmRecall : Experiment
{
    /// <inheritdoc/>
    public override string Name => "ntm";

    /// <inheritdoc/>
    public override string Title => "associative recall with a Neural Turing Machine";

    /// <inheritdoc/>
    public override string PaperSection => "6.6";

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, string Summary)> Presets { get; } =
    [
        ("tiny", "2 to 6 items, at most 10,000 updates: under a minute a row on two cores"),
        ("small", "2 to 10 items, at most 40,000 updates: a few minutes a row"),
        ("paper", "2 to 16 items, at most 100,000 updates: the setting of Figure 9, minutes a row"),
    ];

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultRows { get; } = ["regular", "noisy"];

    /// <inheritdoc/>
    public override IReadOnlyList<ExperimentRow> Rows(string preset) =>
    [
        new("regular", "soft", [], "tanh, no noise"),
        new("noisy", "nan", [("schedule", "paper")], "noise at the output, annealed"),
    ];

    /// <inheritdoc/>
    public override ITrainingTask Build(TrainConfig config, DataCache cache, Device device) => new NtmRecallTask((NtmRecallConfig)config, device);

    /// <inheritdoc/>
    public override PaperFigure? Paper(TrainConfig config, DataIdentity data) =>
        config.Preset == "paper" && RowOf(config) is { } row ? PaperResults.Find("Figure 9", row) : null;

    /// <inheritdoc/>
    public override IReadOnlyList<PaperCurve> Curves(string preset) => preset == "paper" ? [.. PaperResults.Curves.Where(c => c.Figure == "Figure 9")] : [];

    /// <inheritdoc/>
    public override MetricLevel? Baseline(ITrainingTask task) => new("chance", AssociativeRecall.Chance);

    /// <inheritdoc/>
    protected override TrainConfig Create(string preset)
    {
        var paper = new NtmRecallConfig
        {
            Experiment = Name, Preset = preset, Activation = "soft",
            Optimizer = OptimizerKind.GravesRmsProp, LearningRate = 1e-4, Clip = 10, StopAt = 0.05, Epochs = 100,
        };
        return preset switch
        {
            "tiny" => paper with { MaxItems = 6, EpochUpdates = 500, Epochs = 20 },
            "small" => paper with { MaxItems = 10, Epochs = 40 },
            _ => paper,
        };
    }
}
