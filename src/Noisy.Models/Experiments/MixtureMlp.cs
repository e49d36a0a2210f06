using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A network of three hidden layers of eight units that tells the components of a mixture apart (paper, Section 6.1),
/// made to be looked at: which units learn much noise.</summary>
/// <remarks>What the paper does not tell (the mixture, optimiser, batch) is ours: decision 18.</remarks>
public sealed class MixtureMlp : Experiment
{
    /// <inheritdoc/>
    public override string Name => "gmm";

    /// <inheritdoc/>
    public override string Title => "components of a mixture of three Gaussians, told apart by three layers of eight units";

    /// <inheritdoc/>
    public override string PaperSection => "6.1";

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, string Summary)> Presets { get; } =
    [
        ("tiny", "5,000 updates: seconds a row"),
        ("small", "20,000 updates: half a minute a row"),
        ("paper", "100,000 updates: minutes a row"),
    ];

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultRows { get; } = ["soft", "noisy-tanh"];

    /// <inheritdoc/>
    public override IReadOnlyList<ExperimentRow> Rows(string preset) =>
    [
        new("noisy-tanh", "nan", [("alpha", "1"), ("c", "0.5")], "normal noise without a leak, as the paper has it"),
        new("noisy-tanh-frozen", "nan", [("alpha", "1"), ("c", "0.5"), ("learnP", "false")], "the same with gap gains that are not learned"),
    ];

    /// <inheritdoc/>
    public override ITrainingTask Build(TrainConfig config, DataCache cache, Device device)
    {
        var mixture = (MixtureConfig)config;
        return new MlpTask(mixture, new MixtureData(mixture.Seed, mixture.ValidPoints, mixture.TestPoints), mixture.EpochUpdates, device);
    }

    /// <inheritdoc/>
    public override PaperFigure? Paper(TrainConfig config, DataIdentity data) => null; // the paper has pictures only

    /// <summary>What the classifier that knows the mixture attains on the test points; over all points see
    /// <see cref="GaussianMixture.Limit"/>.</summary>
    /// <param name="task">A task that <see cref="Build"/> returned.</param>
    public override double? Floor(ITrainingTask task) => task is MlpTask { Examples: MixtureData data } ? data.TestLimit.Nll : null;

    /// <inheritdoc/>
    protected override TrainConfig Create(string preset)
    {
        var tiny = new MixtureConfig
        {
            Experiment = Name, Preset = preset, Activation = "soft",
            Layers = 3, Hidden = 8, Batch = 100, LearningRate = 0.1, Clip = double.PositiveInfinity, EpochUpdates = 500, Epochs = 10,
        };
        return preset switch
        {
            "small" => tiny with { Epochs = 40 },
            "paper" => tiny with { Epochs = 200 },
            _ => tiny,
        };
    }
}
