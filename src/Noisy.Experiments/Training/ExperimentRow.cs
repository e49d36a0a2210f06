using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>A row of one of the paper's tables, or one of our own beside them: an activation with settings.</summary>
/// <param name="Name">Lower-case name, as <c>--row</c> takes it and run folders have it.</param>
/// <param name="Activation">What replaces tanh and sigmoid.</param>
/// <param name="Summary">One line for help texts.</param>
/// <param name="Change">What else differs from the preset; null if nothing does.</param>
public sealed record ExperimentRow(string Name, ActivationPair Activation, string Summary, Func<RunConfig, RunConfig>? Change = null)
{
    /// <summary>NAH with its leak and without its noise.</summary>
    public static ExperimentRow LeakAlone { get; } = Create("nah-no-noise", Variants.Nah, "the leak of nah without its noise: tells the two apart", t => t with { C = 0 });

    /// <summary>A row whose training differs from the preset's.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="activation">Its activation.</param>
    /// <param name="summary">One line for help texts.</param>
    /// <param name="training">What differs.</param>
    public static ExperimentRow Create(string name, ActivationPair activation, string summary, Func<TrainingSettings, TrainingSettings> training) =>
        new(name, activation, summary, config => config with { Training = training(config.Training) });

    /// <summary>The config of this row.</summary>
    /// <param name="preset">The preset's config.</param>
    public RunConfig Apply(RunConfig preset)
    {
        var config = preset with { Activation = Activation, Training = preset.Training.For(Activation) };
        return Change is null ? config : Change(config);
    }
}
