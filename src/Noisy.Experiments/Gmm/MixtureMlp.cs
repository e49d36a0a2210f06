using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>A network of three hidden layers of eight units that tells the components of a mixture apart (paper, Section 6.1),
/// made to be seen: which units learn much noise.</summary>
/// <remarks>What the paper does not tell (the mixture, optimiser, batch) is ours: decision 18.</remarks>
internal static class MixtureMlp
{
    public static Experiment Create()
    {
        var settings = new MixtureSettings { Layers = 3, Hidden = 8, Batch = 100 };
        var training = new TrainingSettings { LearningRate = 0.1, Clip = double.PositiveInfinity, EpochUpdates = 500, Epochs = 10 };
        return new()
        {
            Name = "gmm",
            Title = "components of a mixture of three Gaussians, told apart by three layers of eight units",
            PaperSection = "6.1",
            Presets =
            [
                new("tiny", "5,000 updates: seconds a row", training, settings),
                new("small", "20,000 updates: half a minute a row", training with { Epochs = 40 }, settings),
                new("paper", "100,000 updates: minutes a row", training with { Epochs = 200 }, settings),
            ],
            DefaultRows = ["soft", "noisy-tanh"],
            RowsOf = _ =>
            [
                ExperimentRow.Create("noisy-tanh", Variants.Nan, "normal noise without a leak, as the paper has it", t => t with { Alpha = 1, C = 0.5 }),
                ExperimentRow.Create("noisy-tanh-frozen", Variants.Nan, "the same with gap gains that are not learned", t => t with { Alpha = 1, C = 0.5, LearnP = false }),
            ],
            BuildTask = (config, _, device) =>
            {
                var mixture = config.SettingsAs<MixtureSettings>();
                return new MlpTask(config, new MixtureData(config.Seed, mixture.ValidPoints, mixture.TestPoints), device);
            },

            // What the classifier that knows the mixture attains on the test points; over all points see GaussianMixture.Limit.
            FloorOf = task => task is MlpTask { Examples: MixtureData data } ? data.TestLimit.Nll : null,
        };
    }
}
