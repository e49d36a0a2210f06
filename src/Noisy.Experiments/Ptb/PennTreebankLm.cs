using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The word-level language model on Penn Treebank (paper, Section 6.3, Table 2) with Zaremba's three models.</summary>
/// <remarks>
/// The preset "paper" is Zaremba's small model: the paper's 115.6 is its figure (decision 13). Without the treebank it runs on
/// a generated corpus whose exact entropy is known.
/// </remarks>
internal static class PennTreebankLm
{
    private const string Name = "ptb";
    private const int BuiltInSeed = 1;
    private static readonly LatestData<LanguageModelData> Latest = new();

    private static readonly Dictionary<string, PaperFigure> Table2 = new()
    {
        ["soft"] = new("Table 2", "LSTM (reference)", 119.4, 115.6, "perplexity", PaperFigure.Recalled),
        ["nan"] = new("Table 2", "Noisy LSTM + NAN", 111.7, 108.0, "perplexity", PaperFigure.Recalled),
        ["nah"] = new("Table 2", "Noisy LSTM + NAH", 112.6, 108.7, "perplexity", PaperFigure.Recalled),
    };

    public static Experiment Create()
    {
        var small = new LanguageModelSettings { Layers = 2, Hidden = 200, Bptt = 20, Batch = 20, InitRange = 0.1 };
        var training = new TrainingSettings { LearningRate = 1, Decay = 2, DecayAfter = 4, Epochs = 13, Clip = 5 };
        return new()
        {
            Name = Name,
            Title = "word-level language model on Penn Treebank",
            PaperSection = "6.3",
            Presets =
            [
                new("tiny", "1 x 64 units, 60,000 tokens: under a minute a variant on two cores",
                    training with { Epochs = 5, DecayAfter = 3 }, small with { Layers = 1, Hidden = 64, TrainTokens = 60_000 }),
                new("small", "Zaremba's small model, 6 epochs with an early decay: about a quarter of an hour a variant",
                    training with { Epochs = 6, DecayAfter = 2 }, small),
                new("paper", "Zaremba's small model, 2 x 200 units, 13 epochs: the setting of Table 2", training, small),
                new("medium", "Zaremba's medium model, 2 x 650 units, dropout 0.5, 39 epochs",
                    training with { Decay = 1.2, DecayAfter = 6, Epochs = 39 }, small with { Hidden = 650, Bptt = 35, Dropout = 0.5, InitRange = 0.05 }),
                new("large", "Zaremba's large model, 2 x 1500 units, dropout 0.65, 55 epochs",
                    training with { Decay = 1.15, DecayAfter = 14, Epochs = 55, Clip = 10 }, small with { Hidden = 1500, Bptt = 35, Dropout = 0.65, InitRange = 0.04 }),
            ],
            DefaultRows = ["soft", "nan", "nah"],
            RowsOf = _ =>
            [
                ExperimentRow.LeakAlone,
                ExperimentRow.Create("nan-frozen", Variants.Nan, "no leak, and gap gains that cannot switch the noise off", t => t with { Alpha = 1, C = 5, LearnP = false }),
            ],
            BuildTask = (config, cache, device) => new LanguageModelTask(config, Load(config, cache), device),
            TakesRealData = true,
            PaperFigureOf = (config, data, row) => data.Source == DataIdentity.Real && config.Preset == "paper" ? Table2.GetValueOrDefault(row) : null,
            FloorOf = task => (task as LanguageModelTask)?.Floor?.TestPerplexity,
        };
    }

    // The text is the same for every variant and seed of one preset.
    private static LanguageModelData Load(RunConfig config, DataCache cache)
    {
        var limit = config.SettingsAs<LanguageModelSettings>().Vocabulary;
        var files = cache.NamedFiles;
        if (files.Count > 1) throw new UsageException($"--data names {files.Count} files; {Name} takes one text");
        if (files.Count == 1)
            return Latest.Get($"{DataFile.Stamp(files[0])} {limit}", () => WordText.Load(files[0], limit ?? WordText.DefaultLimit));
        if (limit is not null) throw new UsageException($"vocabulary is {limit}: it limits the words of a text of your own, and none is named; name one with --data FILE, or leave it out");
        var folder = cache.Find(PennTreebank.Files);
        var sizes = config.Preset == "tiny" ? (60_000, 6_000, 6_000) : (300_000, 30_000, 30_000);
        return Latest.Get($"{DataCache.Stamp(PennTreebank.Files, folder)} {sizes}", () => folder is not null
            ? PennTreebank.Load(folder)
            : GeneratedCorpus.Create(GeneratedCorpusSettings.Default.WithSeed(BuiltInSeed).WithSizes(sizes.Item1, sizes.Item2, sizes.Item3)));
    }
}
