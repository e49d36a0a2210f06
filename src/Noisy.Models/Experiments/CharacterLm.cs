using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The character-level language model on Penn Treebank (paper, Section 6.1, Figure 6).</summary>
/// <remarks>The paper tells that it is a simple GRU model on sequences of 200, and that σ of NANI and NANIS was searched on a
/// grid; width, optimiser and rate are ours (decision 19). Without data it runs on the built-in corpus letter by letter.</remarks>
public sealed class CharacterLm : Experiment
{
    private readonly LatestData<LanguageModelData> latest = new();

    /// <inheritdoc/>
    public override string Name => "charlm";

    /// <inheritdoc/>
    public override string Title => "character-level language model on Penn Treebank, or on any text";

    /// <inheritdoc/>
    public override string PaperSection => "6.1";

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, string Summary)> Presets { get; } =
    [
        ("tiny", "64 units, 150,000 characters, 4 epochs: seconds a variant on two cores"),
        ("small", "256 units, 5 epochs: a quarter of an hour a variant on one core"),
        ("paper", "512 units, 20 epochs: hours a variant"),
    ];

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultRows { get; } = ["soft", "hard", "nan", "nani", "nanis"];

    /// <inheritdoc/>
    public override IReadOnlyList<ExperimentRow> Rows(string preset) =>
    [
        .. from activation in new[] { "nani", "nanis" }
           from sigma in new[] { "0.01", "1" }
           select new ExperimentRow($"{activation}-{sigma}", activation, [("c", sigma)], $"deviation {sigma}, an end of the paper's grid"),
    ];

    /// <inheritdoc/>
    public override ITrainingTask Build(TrainConfig config, DataCache cache, Device device) =>
        new LanguageModelTask((LanguageModelConfig)config, Load(config, cache), device);

    /// <inheritdoc/>
    public override bool TakesRealData => true;

    /// <inheritdoc/>
    public override PaperFigure? Paper(TrainConfig config, DataIdentity data) => null; // the paper has curves only

    /// <inheritdoc/>
    public override double? Floor(ITrainingTask task) => (task as LanguageModelTask)?.Floor?.TestBits;

    /// <inheritdoc/>
    protected override TrainConfig Create(string preset)
    {
        var small = new LanguageModelConfig
        {
            Experiment = Name, Preset = preset, Activation = "soft",
            Cell = RecurrentKind.Gru, Layers = 1, Hidden = 256, Embedding = 64, Bptt = 200, CarryWindows = 1, Batch = 32, InitRange = 0.08,
            Optimizer = OptimizerKind.Adam, LearningRate = 0.002, Decay = 2, DecayAfter = 3, Epochs = 5, Clip = 100,
        };
        return preset switch
        {
            "tiny" => small with { Hidden = 64, Embedding = 32, Bptt = 100, Batch = 16, TrainTokens = 150_000, LearningRate = 0.005, Epochs = 4, DecayAfter = 2 },
            "paper" => small with { Hidden = 512, Epochs = 20, DecayAfter = 12 },
            _ => small,
        };
    }

    // The text is the same for every variant and seed of one preset.
    private LanguageModelData Load(TrainConfig config, DataCache cache)
    {
        var words = config.Preset == "tiny" ? 30_000 : 300_000;
        var files = cache.NamedFiles;
        if (files.Count > 1) throw new UsageException($"--data names {files.Count} files; {Name} takes one text");
        var file = files.Count == 1 ? files[0] : null;
        var folder = file is null ? cache.Find(PennTreebankCharacters.Files) : null;
        var key = file is not null ? DataFile.Stamp(file) : $"{DataCache.Stamp(PennTreebankCharacters.Files, folder)} {words}";
        return latest.Of(key, () => file is not null ? CharacterText.Load(file)
            : folder is not null ? PennTreebankCharacters.Load(folder)
            : CharacterText.Spell(GeneratedCorpusConfig.Default.WithSizes(words, words / 10, words / 10)));
    }
}
