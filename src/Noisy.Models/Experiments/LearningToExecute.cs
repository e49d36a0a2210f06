using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Learning to Execute (paper, Section 6.2, Table 1): reads small programs, writes what they print.</summary>
/// <remarks>The preset "paper" is the reference code's setting (decisions 11 and 12). All data are generated.</remarks>
public sealed class LearningToExecute : Experiment
{
    /// <inheritdoc/>
    public override string Name => "lte";

    /// <inheritdoc/>
    public override string Title => "Learning to Execute: what does this program print?";

    /// <inheritdoc/>
    public override string PaperSection => "6.2";

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, string Summary)> Presets { get; } =
    [
        ("tiny", "one operation on numbers of one or two digits, 1 x 96 units, 3,000 updates: about a minute a row on two cores"),
        ("small", "up to two operations on numbers of up to four digits, 2 x 128 units, 16,000 updates: about an hour a row on one core"),
        ("paper", "up to three operations on numbers of up to six digits, 2 x 400 units: the setting of Table 1; up to 80,000 updates of 0.6 to 1 s on two cores, twice that on one: 14 to 22 or 27 to 44 hours a row"),
    ];

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultRows { get; } = ["soft", "nah"];

    /// <inheritdoc/>
    public override ITrainingTask Build(TrainConfig config, DataCache cache, Device device) =>
        new LearningToExecuteTask((LearningToExecuteConfig)config, device);

    /// <inheritdoc/>
    public override PaperFigure? Paper(TrainConfig config, DataIdentity data) =>
        config.Preset == "paper" && RowOf(config) is { } row ? PaperResults.Find("Table 1", row) : null;

    /// <inheritdoc/>
    public override MetricLevel? Baseline(ITrainingTask task) =>
        task is LearningToExecuteTask lte ? new("the most frequent character at each place of the answer", lte.AccuracyByPlace) : null;

    /// <inheritdoc/>
    protected override TrainConfig Create(string preset)
    {
        var paper = new LearningToExecuteConfig
        {
            Experiment = Name, Preset = preset, Activation = "soft",
            Length = 6, Nesting = 3, Layers = 2, Hidden = 400, Bptt = 50, Batch = 100, EpochUpdates = 200, EvaluationWindows = 10, InitRange = 0.08,
            LearningRate = 0.5, Clip = 5, Curriculum = "combined", Epochs = 400,
        };
        return preset switch
        {
            "tiny" => paper with
            {
                Length = 2, Nesting = 1, Layers = 1, Hidden = 96, Batch = 50, EpochUpdates = 100, Epochs = 30, Curriculum = "combined over 500",
            },
            "small" => paper with { Length = 4, Nesting = 2, Hidden = 128, Epochs = 80 },
            _ => paper,
        };
    }
}
