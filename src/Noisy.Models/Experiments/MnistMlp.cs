using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Learning curves of networks with one hidden layer on MNIST (paper, Section 6.1).</summary>
/// <remarks>Without MNIST it runs on generated digits. What the paper does not tell (size, optimiser, batch) is ours: decision
/// 17.</remarks>
public sealed class MnistMlp : Experiment
{
    private readonly LatestData<DigitData> latest = new();

    /// <inheritdoc/>
    public override string Name => "mnist";

    /// <inheritdoc/>
    public override string Title => "learning curves of a network with one hidden layer on MNIST";

    /// <inheritdoc/>
    public override string PaperSection => "6.1";

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, string Summary)> Presets { get; } =
    [
        ("tiny", "500 units, 5,000 images, 20 epochs: seconds a variant"),
        ("small", "500 units, all images, 10 epochs: under a minute a variant"),
        ("paper", "500 units, all images, 100 epochs: minutes a variant"),
    ];

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultRows { get; } = ["soft", "hard", "nan", "nah", "nani", "nanil", "nanis"];

    /// <inheritdoc/>
    public override IReadOnlyList<ExperimentRow> Rows(string preset) => [ExperimentRow.LeakAlone];

    /// <inheritdoc/>
    public override ITrainingTask Build(TrainConfig config, DataCache cache, Device device)
    {
        var mnist = (MnistConfig)config;
        return new MlpTask(mnist, Load(mnist, cache).WithTrain(mnist.TrainImages), 0, device);
    }

    /// <inheritdoc/>
    public override bool TakesRealData => true;

    /// <inheritdoc/>
    public override PaperFigure? Paper(TrainConfig config, DataIdentity data) => null; // the paper has curves only

    /// <inheritdoc/>
    protected override TrainConfig Create(string preset)
    {
        var paper = new MnistConfig
        {
            Experiment = Name, Preset = preset, Activation = DefaultRows[0],
            Layers = 1, Hidden = 500, Batch = 100, LearningRate = 0.1, Clip = double.PositiveInfinity, Epochs = 100,
        };
        return preset switch
        {
            "tiny" => paper with { TrainImages = 5_000, Epochs = 20 },
            "small" => paper with { Epochs = 10 },
            _ => paper,
        };
    }

    // The images are the same for every variant and seed of one preset.
    private DigitData Load(MnistConfig config, DataCache cache)
    {
        var folder = cache.Find(Mnist.Files);
        var (train, valid, test) = config.Preset == "tiny" ? (5_000, 2_000, 5_000) : (50_000, 10_000, 10_000);
        return latest.Of(
            $"{DataCache.Stamp(Mnist.Files, folder)} {train}", () => folder is not null ? Mnist.Load(folder) : DigitWorld.Create(train, valid, test));
    }
}
