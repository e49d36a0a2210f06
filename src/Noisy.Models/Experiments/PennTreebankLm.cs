using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The word-level language model on Penn Treebank (paper, Section 6.3, Table 2) with Zaremba's three models.</summary>
/// <remarks>
/// The preset "paper" is Zaremba's small model: the paper's 115.6 is its figure (decision 13). Without the treebank it runs on
/// a generated corpus whose exact entropy is known.
/// </remarks>
public sealed class PennTreebankLm : Experiment
{
    private const int BuiltInSeed = 1;
    private readonly LatestData<LanguageModelData> latest = new();

    /// <inheritdoc/>
    public override string Name => "ptb";

    /// <inheritdoc/>
    public override string Title => "word-level language model on Penn Treebank";

    /// <inheritdoc/>
    public override string PaperSection => "6.3";

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, string Summary)> Presets { get; } =
    [
        ("tiny", "1 x 64 units, 60,000 tokens: under a minute a variant on two cores"),
        ("small", "Zaremba's small model, 6 epochs with an early decay: about a quarter of an hour a variant"),
        ("paper", "Zaremba's small model, 2 x 200 units, 13 epochs: the setting of Table 2"),
        ("medium", "Zaremba's medium model, 2 x 650 units, dropout 0.5, 39 epochs"),
        ("large", "Zaremba's large model, 2 x 1500 units, dropout 0.65, 55 epochs"),
    ];

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultRows { get; } = ["soft", "nan", "nah"];

    /// <inheritdoc/>
    public override IReadOnlyList<ExperimentRow> Rows(string preset) =>
    [
        ExperimentRow.LeakAlone,
        new("nan-frozen", "nan", [("alpha", "1"), ("c", "5"), ("learnP", "false")], "no leak, and gap gains that cannot switch the noise off"),
    ];

    /// <inheritdoc/>
    public override ITrainingTask Build(TrainConfig config, DataCache cache, Device device) =>
        new LanguageModelTask((LanguageModelConfig)config, Load(config, cache), device);

    /// <inheritdoc/>
    public override bool TakesRealData => true;

    /// <inheritdoc/>
    public override PaperFigure? Paper(TrainConfig config, DataIdentity data) =>
        data.Source == DataIdentity.Real && config.Preset == "paper" && RowOf(config) is { } row ? PaperResults.Find("Table 2", row) : null;

    /// <inheritdoc/>
    public override double? Floor(ITrainingTask task) => (task as LanguageModelTask)?.Floor?.TestPerplexity;

    /// <inheritdoc/>
    protected override TrainConfig Create(string preset)
    {
        var small = new LanguageModelConfig
        {
            Experiment = Name, Preset = preset, Activation = "soft",
            Layers = 2, Hidden = 200, Bptt = 20, Batch = 20, InitRange = 0.1,
            LearningRate = 1, Decay = 2, DecayAfter = 4, Epochs = 13, Clip = 5,
        };
        return preset switch
        {
            "tiny" => small with { Layers = 1, Hidden = 64, TrainTokens = 60_000, Epochs = 5, DecayAfter = 3 },
            "small" => small with { Epochs = 6, DecayAfter = 2 },
            "medium" => small with
            {
                Hidden = 650, Bptt = 35, Dropout = 0.5, InitRange = 0.05, Decay = 1.2, DecayAfter = 6, Epochs = 39,
            },
            "large" => small with
            {
                Hidden = 1500, Bptt = 35, Dropout = 0.65, InitRange = 0.04, Decay = 1.15, DecayAfter = 14, Epochs = 55, Clip = 10,
            },
            _ => small,
        };
    }

    // The text is the same for every variant and seed of one preset.
    private LanguageModelData Load(TrainConfig config, DataCache cache)
    {
        var folder = cache.Find(PennTreebank.Files);
        var sizes = config.Preset == "tiny" ? (60_000, 6_000, 6_000) : (300_000, 30_000, 30_000);
        return latest.Of($"{DataCache.Stamp(PennTreebank.Files, folder)} {sizes}", () => folder is not null
            ? PennTreebank.Load(folder)
            : GeneratedCorpus.Create(GeneratedCorpusConfig.Default.WithSeed(BuiltInSeed).WithSizes(sizes.Item1, sizes.Item2, sizes.Item3)));
    }
}
