using System.Globalization;
using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The character-level language model on Penn Treebank (paper, Section 6.1, Figure 6).</summary>
/// <remarks>The paper tells that it is a simple GRU model on sequences of 200, and that σ of NANI and NANIS was searched on a
/// grid; width, optimiser and rate are ours (decision 19). Without data it runs on the built-in corpus letter by letter.</remarks>
internal static class CharacterLm
{
    private const string Name = "charlm";
    private static readonly LatestData<LanguageModelData> Latest = new();

    public static Experiment Create()
    {
        var small = new LanguageModelSettings
        {
            Cell = RecurrentKind.Gru, Layers = 1, Hidden = 256, Embedding = 64, Bptt = 200, CarryWindows = 1, Batch = 32, InitRange = 0.08,
        };
        var training = new TrainingSettings { Optimizer = OptimizerKind.Adam, LearningRate = 0.002, Decay = 2, DecayAfter = 3, Epochs = 5, Clip = 100 };
        return new()
        {
            Name = Name,
            Title = "character-level language model on Penn Treebank, or on any text",
            PaperSection = "6.1",
            Presets =
            [
                new("tiny", "64 units, 150,000 characters, 4 epochs: seconds a variant on two cores",
                    training with { LearningRate = 0.005, Epochs = 4, DecayAfter = 2 },
                    small with { Hidden = 64, Embedding = 32, Bptt = 100, Batch = 16, TrainTokens = 150_000 }),
                new("small", "256 units, 5 epochs: a quarter of an hour a variant on one core", training, small),
                new("paper", "512 units, 20 epochs: hours a variant", training with { Epochs = 20, DecayAfter = 12 }, small with { Hidden = 512 }),
            ],
            DefaultRows = ["soft", "hard", "nan", "nani", "nanis"],
            RowsOf = _ =>
            [
                .. from activation in new[] { Variants.Nani, Variants.Nanis }
                   from sigma in new[] { 0.01, 1 }
                   let text = sigma.ToString(CultureInfo.InvariantCulture)
                   select ExperimentRow.Create($"{activation.Name}-{text}", activation, $"deviation {text}, an end of the paper's grid", t => t with { C = sigma }),
            ],
            BuildTask = (config, cache, device) => new LanguageModelTask(config, Load(config, cache), device),
            TakesRealData = true,
            RulesOf = config => config.SettingsAs<LanguageModelSettings>().Vocabulary is { } limit ? [$"vocabulary is {limit}: does not apply to {Name}, whose tokens are the characters of its text"] : [],
            FloorOf = task => (task as LanguageModelTask)?.Floor?.TestBits,
        };
    }

    // The text is the same for every variant and seed of one preset.
    private static LanguageModelData Load(RunConfig config, DataCache cache)
    {
        var words = config.Preset == "tiny" ? 30_000 : 300_000;
        var files = cache.NamedFiles;
        if (files.Count > 1) throw new UsageException($"--data names {files.Count} files; {Name} takes one text");
        var file = files.Count == 1 ? files[0] : null;
        var folder = file is null ? cache.Find(PennTreebankCharacters.Files) : null;
        var key = file is not null ? DataFile.Stamp(file) : $"{DataCache.Stamp(PennTreebankCharacters.Files, folder)} {words}";
        return Latest.Get(key, () => file is not null ? CharacterText.Load(file)
            : folder is not null ? PennTreebankCharacters.Load(folder)
            : GeneratedCorpus.Spell(GeneratedCorpusSettings.Default.WithSizes(words, words / 10, words / 10)));
    }
}
