using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Counting the unique elements of a sequence (paper, Section 6.6, Table 5): annealed noise beside a curriculum.</summary>
/// <remarks>All rows of a preset have the same number of updates. What the paper does not tell (sizes, optimiser, budget) is
/// ours: decision 29.</remarks>
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
        ("tiny", "an easier form, 12 numbers of 6 values, 1,600 updates: under 3 minutes for all rows on two cores"),
        ("small", "the paper's sequences, 26 numbers of 11 values, 20,000 updates of a network half as wide"),
        ("paper", "the paper's sequences, 100,000 updates"),
    ];

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultRows { get; } =
        ["reference", "nan-constant", "curriculum", "nan-annealed", "nanil-annealed", "nan-annealed-curriculum"];

    /// <inheritdoc/>
    public override IReadOnlyList<ExperimentRow> Rows(string preset)
    {
        var config = (UniqueElementsConfig)Config(preset);
        var updates = (long)config.Epochs * config.EpochUpdates;
        var annealed = ("schedule", preset == "tiny" ? "inverseSqrt(30) | clampMin(0.5)" : "paper"); // a stair of 200 updates is too long for 1,600
        var growing = ("curriculum", $"naive over {updates / 2}");
        var clipped = ("clipOutput", "true"); // at c = 30 gates far outside [0, 1] make a network diverge
        return
        [
            new("reference", "soft", [], "LSTM, no curriculum"),
            new("nan-constant", "nan", [clipped], "noise of constant scale"),
            new("curriculum", "soft", [growing], "short sequences first"),
            new("nan-annealed", "nan", [clipped, annealed], "noise at the output, annealed"),
            new("nanil-annealed", "nanil", [annealed], "noise at the input, annealed"),
            new("nan-annealed-curriculum", "nan", [clipped, annealed, growing], "both; the paper gives no figure"),
        ];
    }

    /// <inheritdoc/>
    public override ITrainingTask Build(TrainConfig config, DataCache cache, Device device) =>
        new UniqueElementsTask((UniqueElementsConfig)config, device);

    /// <summary>The paper tells length and values of the sequences, which all presets but <c>tiny</c> have, and neither sizes nor
    /// budget.</summary>
    /// <inheritdoc/>
    public override PaperFigure? Paper(TrainConfig config, DataIdentity data) =>
        config.Preset != "tiny" && RowOf(config) is { } row ? PaperResults.Find("Table 5", row) : null;

    /// <inheritdoc/>
    public override MetricLevel? Baseline(ITrainingTask task) =>
        task is UniqueElementsTask { MajorityError: var error } ? new("always the most frequent count", error) : null;

    /// <inheritdoc/>
    protected override TrainConfig Create(string preset)
    {
        var paper = new UniqueElementsConfig
        {
            Experiment = Name, Preset = preset, Activation = "soft",
            Length = 26, FirstLength = 1, Values = 11, Embedding = 32, Hidden = 128, Mlp = 128, Batch = 32,
            Optimizer = Core.OptimizerKind.Adam, LearningRate = 0.005, Clip = 5, EpochUpdates = 500, Epochs = 200, KeepBest = true,
        };
        return preset switch
        {
            "tiny" => paper with
            {
                Length = 12, Values = 6, Embedding = 16, Hidden = 32, Mlp = 32, LearningRate = 0.004, EpochUpdates = 200, Epochs = 8,
                ValidExamples = 1_000, TestExamples = 5_000,
            },
            "small" => paper with { Embedding = 16, Hidden = 64, Mlp = 64, Epochs = 40 },
            _ => paper,
        };
    }
}
