using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Counting the unique elements of a sequence (paper, Section 6.6, Table 5): annealed noise beside a curriculum.</summary>
/// <remarks>All rows of a preset have the same number of updates. What the paper does not tell (sizes, optimiser, budget) is
/// ours: decision 28.</remarks>
public sealed class UniqueCount : Experiment
{
    /// <inheritdoc/>
    public override string Name => "unique";

    /// <inheritdoc/>
    public override string Title => "counting the unique elements of a sequence";

    /// <inheritdoc/>
    public override string PaperSection => "6.6";

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, string Summary)> Presets { get; } =
    [
        ("tiny", "32 units"),
        ("small", "64 units"),
        ("paper", "128 units"),
    ];

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultRows { get; } =
        ["reference", "nan-constant", "curriculum", "nan-annealed", "nanil-annealed", "nan-annealed-curriculum"];

    /// <inheritdoc/>
    public override IReadOnlyList<ExperimentRow> Rows(string preset)
    {
        var config = (UniqueElementsConfig)Config(preset);
        var updates = (long)config.Epochs * config.EpochUpdates;
        var annealed = ("schedule", "paper");
        var growing = ("curriculum", $"naive over {updates / 2}");
        return
        [
            new("reference", "soft", [], "LSTM, no curriculum"),
            new("nan-constant", "nan", [], "noise of constant scale"),
            new("curriculum", "soft", [growing], "short sequences first"),
            new("nan-annealed", "nan", [annealed], "noise at the output, annealed"),
            new("nanil-annealed", "nanil", [annealed], "noise at the input, annealed"),
            new("nan-annealed-curriculum", "nan", [annealed, growing], "both; the paper gives no figure"),
        ];
    }

    /// <inheritdoc/>
    public override ITrainingTask Build(TrainConfig config, DataCache cache, Device device) =>
        new UniqueElementsTask((UniqueElementsConfig)config, device);

    /// <inheritdoc/>
    public override PaperFigure? Paper(TrainConfig config, DataIdentity data) =>
        config.Preset == "paper" && RowOf(config) is { } row ? PaperResults.Find("Table 5", row) : null;

    /// <inheritdoc/>
    public override MetricLevel? Baseline(ITrainingTask task) =>
        task is UniqueElementsTask { MajorityError: var error } ? new("always the most frequent count", error) : null;

    /// <inheritdoc/>
    protected override TrainConfig Create(string preset)
    {
        var tiny = new UniqueElementsConfig
        {
            Experiment = Name, Preset = preset, Activation = "soft", Optimizer = Core.OptimizerKind.Adam, LearningRate = 0.002, Clip = 1,
            Embedding = 16, Hidden = 32, Mlp = 32, Batch = 32, EpochUpdates = 500, Epochs = 16,
        };
        return preset switch
        {
            "small" => tiny with { Hidden = 64, Mlp = 64, Epochs = 80 },
            "paper" => tiny with { Hidden = 128, Mlp = 128, Epochs = 200 },
            _ => tiny,
        };
    }
}
