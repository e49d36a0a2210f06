using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>English to French with attention (paper, Section 6.4, Table 3).</summary>
/// <remarks>The paper trains on Europarl and tests on a year of newstest that is not certain; here it is Multi30k, whose scores are
/// not comparable with the paper's (decision 14). Without data a generated pair of languages is translated, of which each sentence
/// has exactly one right translation.</remarks>
public sealed class Translation : Experiment
{
    private readonly LatestData<TranslationData> latest = new();

    /// <inheritdoc/>
    public override string Name => "nmt";

    /// <inheritdoc/>
    public override string Title => "translation with attention, English to French";

    /// <inheritdoc/>
    public override string PaperSection => "6.4";

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, string Summary)> Presets { get; } =
    [
        ("tiny", "2,000 short sentences of a generated language, 48 units: under a minute a variant on two cores"),
        ("small", "Multi30k, 256 units, embedding 128, until validation no longer improves: one to two hours a variant on one core"),
        ("paper", "the reference's sizes: 1,024 units, embedding 512, attention 2,048, 30,000 words: days"),
    ];

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultRows { get; } = ["soft", "hard", "nah"];

    /// <inheritdoc/>
    public override IReadOnlyList<ExperimentRow> Rows(string preset) => [ExperimentRow.LeakAlone];

    /// <inheritdoc/>
    public override ITrainingTask Build(TrainConfig config, DataCache cache, Device device) =>
        new TranslationTask((TranslationConfig)config, Load((TranslationConfig)config, cache), device);

    /// <inheritdoc/>
    public override bool TakesRealData => true;

    /// <inheritdoc/>
    public override PaperFigure? Paper(TrainConfig config, DataIdentity data) => null; // other sentences, other figures: decision 14

    /// <summary>Generated sentences have one right translation: whoever knows the languages has no doubt.</summary>
    /// <inheritdoc/>
    public override double? Floor(ITrainingTask task) => task.Data.Source == DataIdentity.BuiltIn ? 0 : null;

    /// <inheritdoc/>
    protected override TrainConfig Create(string preset)
    {
        var small = new TranslationConfig
        {
            Experiment = Name, Preset = preset, Activation = "soft",
            Optimizer = OptimizerKind.Adadelta, LearningRate = 1, Clip = 100, Epochs = 40, Patience = 4, KeepBest = true,
        };
        return preset switch
        {
            "tiny" => small with
            {
                Embedding = 24, Hidden = 48, Attention = 48, Batch = 16, Vocabulary = 1_000, Epochs = 10, Patience = 0, Clip = 1,
                Optimizer = OptimizerKind.Adam, LearningRate = 0.005, Init = InitialScheme.Uniform, Beam = 3,
            },
            "paper" => small with { Embedding = 512, Hidden = 1024, Attention = 2048, Vocabulary = 30_000, Epochs = 100, Patience = 10, Clip = 1 },
            _ => small,
        };
    }

    // The text is the same for every variant and seed of one preset.
    private TranslationData Load(TranslationConfig config, DataCache cache)
    {
        var files = cache.NamedFiles;
        if (files.Count > 0)
        {
            if (files.Count > 2) throw new UsageException($"--data names {files.Count} files; {Name} takes two, or one with a tab in each line");
            if (config.Text != TranslationTexts.Multi30k || config.TestPart is not null)
                throw new UsageException($"text and testPart choose among known texts, and --data names files of your own ({string.Join(", ", files)}): leave out one or the other");
            return latest.Of($"{string.Join("; ", files.Select(DataFile.Stamp))} {config.MaxLength}", () => TranslationTexts.Load(files, config.MaxLength));
        }

        var found = TranslationTexts.Sets(config.Text).ToDictionary(set => set, cache.Find);
        var tiny = config.Preset == "tiny";
        var key = $"{string.Join("; ", found.Select(set => DataCache.Stamp(set.Key, set.Value)))} {config.Text} {config.TestPart} {config.MaxLength} {tiny}";
        return latest.Of(key, () => TranslationTexts.Load(config.Text, config.TestPart, config.MaxLength, set => found[set])
            ?? (tiny ? TranslationWorld.Create(1, 2_000, 200, 200) : TranslationWorld.Create(2, 10_000, 1_000, 1_000)));
    }
}
