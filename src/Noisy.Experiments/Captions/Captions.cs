using Noisy.Core;
using Noisy.Models;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>Captions of pictures with attention (paper, Section 6.5, Table 4).</summary>
/// <remarks>On Flickr8k the features are SqueezeNet's, 7 x 7 places, not the paper's VGG maps of 14 x 14, so scores are not comparable
/// with the paper's. Without data, generated pictures are described.</remarks>
internal static class Captions
{
    private static readonly LatestData<CaptionData> Latest = new();
    private static readonly LatestData<OwnCaptions> Own = new();

    public static Experiment Create()
    {
        var paper = new CaptionSettings { Batch = 16 };
        var training = new TrainingSettings
        {
            Optimizer = OptimizerKind.GravesRmsProp, LearningRate = 1e-4, Clip = double.PositiveInfinity, Epochs = 60, Patience = 10, KeepBest = true,
        };
        return new()
        {
            Name = "captions",
            Title = "captions of pictures with attention",
            PaperSection = "6.5",
            Presets =
            [
                new("tiny", "600 generated pictures, 48 units: under a minute a row on two cores",
                    training with { Optimizer = OptimizerKind.Adam, LearningRate = 0.01, Epochs = 12, Patience = 0, Clip = 5 },
                    paper with { Init = InitialScheme.Uniform, Embedding = 24, Hidden = 48, Attention = 32, ContextToOutput = true, Dropout = 0.1, Batch = 32, Beam = 3 }),
                new("small", "Flickr8k, 256 units, 12 epochs: about a quarter of an hour a row on one core",
                    training with { Optimizer = OptimizerKind.Adam, LearningRate = 0.002, Decay = 2, DecayAfter = 8, Epochs = 12, Patience = 0 },
                    paper with
                    {
                        Init = InitialScheme.Uniform,
                        Embedding = 128, Hidden = 256, Attention = 128, Vocabulary = 3_000, Selector = true, WordToOutput = true, ContextToOutput = true,
                        AlphaC = 1.0 / 16, Batch = 64, // what 1 is for 196 places, for 49: decision 16
                    }),
                new("paper", "Flickr8k, the reference's 1,000 units: hours a row", training, paper),
            ],
            DefaultRows = ["soft", "nah"],
            RowsOf = Rows,
            BuildTask = Build,
            TakesRealData = true,

            // A generated picture has five captions that are all as likely: the grammar itself has ln 5 nats a caption.
            FloorOf = task => task.Data.Source == DataIdentity.BuiltIn ? Math.Log(CaptionScene.References) : null,
        };
    }

    private static IReadOnlyList<ExperimentRow> Rows(Preset preset)
    {
        // With α > 1 the leak has no bound: without the clip, NAH of this preset went from a loss of 47 to 10¹⁷ in one update.
        TrainingSettings Bound(TrainingSettings t) => preset.Name == "small" ? t with { ClipOutput = true } : t;
        static RunConfig NoDropout(RunConfig config) => config with { Settings = config.SettingsAs<CaptionSettings>() with { Dropout = 0 } };
        RunConfig Nah(RunConfig config) => config with { Training = Bound(config.Training with { C = 0.5 }) };
        return
        [
            new("soft", Variants.Soft, "soft attention, tanh and sigmoid"),
            new("soft-no-dropout", Variants.Soft, "the same without dropout", NoDropout),
            new("nah", Variants.Nah, "soft attention, NAH", Nah),
            new("nah-no-dropout", Variants.Nah, "the same without dropout", config => NoDropout(Nah(config))),
            ExperimentRow.Create("nani", Variants.Nani, "soft attention, NANI", t => t with { C = 0.05 }),
            ExperimentRow.Create("nanil", Variants.Nanil, "soft attention, NANIL", t => t with { C = 0.5 }),
            ExperimentRow.LeakAlone with { Change = config => config with { Training = Bound(config.Training with { C = 0 }) } },
            new("hard-attention", Variants.Soft, "one place drawn at a time, learned by REINFORCE",
                config => config with { Settings = config.SettingsAs<CaptionSettings>() with { AttentionKind = AttentionKind.Hard } }),
        ];
    }

    private static CaptionTask Build(RunConfig config, DataCache cache, Device device)
    {
        if (cache.NamedFolder is { } own && OwnCaptions.AreIn(own)) return OfOwn(config, own, device);
        if (cache.Find(Flickr8k.Files) is not { } folder)
        {
            var tiny = config.Preset == "tiny";
            var things = tiny ? 1 : 3;
            var world = Latest.Get(
                $"{DataCacheSettings.BuiltIn} {things}", () => tiny ? CaptionWorld.Create(things, 600, 100, 100) : CaptionWorld.Create(things, 6_000, 1_000, 1_000));
            return new CaptionTask(config, world, device, images =>
                [.. images.Select(i => Picture.OfPixels(CaptionWorld.Side, CaptionWorld.Example(things, CaptionWorld.KeyOf(1), Split.Test, i).Pixels))]);
        }

        var flickr = Latest.Get(DataCache.Stamp(Flickr8k.Files, folder), () => Flickr8k.Load(folder));
        var archive = Path.Combine(folder, "images128", "test.tar.gz");
        return new CaptionTask(config, flickr, device, !File.Exists(archive) ? null : images =>
        {
            var names = images.Select(i => flickr.Test.Images[i].Name).ToArray();
            var found = Picture.FromArchive(archive, names.ToHashSet());
            return [.. names.Select(found.GetValueOrDefault)];
        });
    }

    private static CaptionTask OfOwn(RunConfig config, string folder, Device device)
    {
        var (data, list) = Own.Get(OwnCaptions.Stamp(folder), () => OwnCaptions.Load(folder));
        return new CaptionTask(
            config, data, device, images => [.. images.Select(i => Picture.FromFile(Path.Combine(list.Pictures, data.Test.Images[i].Name)))]);
    }
}
