using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>Learning curves of networks with one hidden layer on MNIST (paper, Section 6.1).</summary>
/// <remarks>Without MNIST it runs on generated digits. What the paper does not tell (size, optimiser, batch) is ours: decision
/// 17.</remarks>
internal static class MnistMlp
{
    private static readonly LatestData<DigitData> Latest = new();

    public static Experiment Create()
    {
        var paper = new MnistSettings { Layers = 1, Hidden = 500, Batch = 100 };
        var training = new TrainingSettings { LearningRate = 0.1, Clip = double.PositiveInfinity, Epochs = 100 };
        return new()
        {
            Name = "mnist",
            Title = "learning curves of a network with one hidden layer on MNIST",
            PaperSection = "6.1",
            Presets =
            [
                new("tiny", "500 units, 5,000 images, 20 epochs: seconds a variant", training with { Epochs = 20 }, paper with { TrainImages = 5_000 }),
                new("small", "500 units, all images, 10 epochs: under a minute a variant", training with { Epochs = 10 }, paper),
                new("paper", "500 units, all images, 100 epochs: minutes a variant", training, paper),
            ],
            DefaultRows = ["soft", "hard", "nan", "nah", "nani", "nanil", "nanis"],
            RowsOf = _ => [ExperimentRow.LeakAlone],
            BuildTask = (config, cache, device) => new MlpTask(config, Load(config, cache).WithTrain(config.SettingsAs<MnistSettings>().TrainImages), device),
            TakesRealData = true,
        };
    }

    // The images are the same for every variant and seed of one preset.
    private static DigitData Load(RunConfig config, DataCache cache)
    {
        var folder = cache.Find(Mnist.Files);
        var (train, valid, test) = config.Preset == "tiny" ? (5_000, 2_000, 5_000) : (50_000, 10_000, 10_000);
        return Latest.Get(
            $"{DataCache.Stamp(Mnist.Files, folder)} {train}", () => folder is not null ? Mnist.Load(folder) : DigitWorld.Create(train, valid, test));
    }
}
