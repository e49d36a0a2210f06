using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A row of one of the paper's tables, or one of our own beside them: an activation with settings.</summary>
/// <param name="Name">Lower-case name, as <c>--row</c> takes it and run folders have it.</param>
/// <param name="Activation">Name of a variant.</param>
/// <param name="Fields">Fields of the config that differ from the preset's, by their JSON names, with their values as text.</param>
/// <param name="Summary">One line for help texts.</param>
public sealed record ExperimentRow(string Name, string Activation, IReadOnlyList<(string Field, string Value)> Fields, string Summary)
{
    /// <summary>NAH with its leak and without its noise.</summary>
    public static ExperimentRow LeakAlone { get; } = new("nah-no-noise", "nah", [("c", "0")], "the leak of nah without its noise: tells the two apart");
}

/// <summary>A value of the metric that is worth a line in pictures.</summary>
/// <param name="Name">What reaches it, such as "always the most frequent answer".</param>
/// <param name="Value">The value.</param>
public sealed record MetricLevel(string Name, double Value);

/// <summary>One experiment of the paper: its presets, and how a config becomes a model with data.</summary>
public abstract class Experiment
{
    /// <summary>Lower-case name, also the script's.</summary>
    public abstract string Name { get; }

    /// <summary>What it is, in one line.</summary>
    public abstract string Title { get; }

    /// <summary>Section of the paper.</summary>
    public abstract string PaperSection { get; }

    /// <summary>Names of the presets and one line on each; the first is the default.</summary>
    public abstract IReadOnlyList<(string Name, string Summary)> Presets { get; }

    /// <summary>Rows that are trained if the user names none: of <see cref="Rows"/>, or names of variants.</summary>
    public abstract IReadOnlyList<string> DefaultRows { get; }

    /// <summary>Rows with settings of their own. Besides them every variant's name is a row, the preset with that
    /// activation.</summary>
    /// <param name="preset">One of <see cref="Presets"/>; settings such as the length of a curriculum may depend on it, names
    /// do not.</param>
    public virtual IReadOnlyList<ExperimentRow> Rows(string preset) => [];

    /// <summary>The config of a row.</summary>
    /// <param name="preset">One of <see cref="Presets"/>.</param>
    /// <param name="row">Name of a row, or of a variant.</param>
    /// <returns>The config with seed 1; a name that is neither is taken for an activation, which <see cref="TrainConfig.Validate"/> refuses.</returns>
    /// <exception cref="UsageException">There is no such preset.</exception>
    public TrainConfig RowConfig(string preset, string row)
    {
        var start = Config(preset);
        return Rows(preset).FirstOrDefault(r => r.Name == row) is { } found
            ? found.Fields.Aggregate(start with { Activation = found.Activation }, (config, f) => config.With(f.Field, f.Value))
            : start with { Activation = row };
    }

    /// <summary>The row that a config is, whatever its seed.</summary>
    /// <param name="config">A config of this experiment.</param>
    /// <returns>Name of a row or of a variant; null if other fields differ from the preset's too.</returns>
    public string? RowOf(TrainConfig config) =>
        Presets.Any(p => p.Name == config.Preset)
            ? Rows(config.Preset).Select(r => r.Name).Append(config.Activation).FirstOrDefault(row => config == RowConfig(config.Preset, row) with { Seed = config.Seed })
            : null;

    /// <summary>The config of a preset, with the first default activation and seed 1.</summary>
    /// <param name="preset">One of <see cref="Presets"/>.</param>
    /// <exception cref="UsageException">There is no such preset; the message lists those that exist.</exception>
    public TrainConfig Config(string preset) => Presets.Any(p => p.Name == preset)
        ? Create(preset)
        : throw new UsageException($"unknown preset '{preset}' of {Name}: known are {string.Join(", ", Presets.Select(p => p.Name))}");

    /// <summary>Builds model and data of a run.</summary>
    /// <param name="config">A valid config of this experiment.</param>
    /// <param name="cache">Where data are found.</param>
    /// <param name="device">Where the model lives.</param>
    /// <returns>The task; the caller disposes it.</returns>
    /// <exception cref="DataException">Data are missing or damaged.</exception>
    public abstract ITrainingTask Build(TrainConfig config, DataCache cache, Device device);

    /// <summary>Whether real data can take the place of the built-in ones.</summary>
    public virtual bool TakesRealData => false;

    /// <summary>The published figure that a run is to be set beside; null unless it repeats the paper's setting.</summary>
    /// <param name="config">The run's config.</param>
    /// <param name="data">The run's data.</param>
    public abstract PaperFigure? Paper(TrainConfig config, DataIdentity data);

    /// <summary>Published curves of the task's metric over updates, to be drawn beside runs of a preset; none unless it repeats
    /// the paper's setting.</summary>
    /// <param name="preset">One of <see cref="Presets"/>.</param>
    public virtual IReadOnlyList<PaperCurve> Curves(string preset) => [];

    /// <summary>The best attainable test metric of the run's data; null if unknown.</summary>
    /// <param name="task">A task that <see cref="Build"/> returned.</param>
    public virtual double? Floor(ITrainingTask task) => null;

    /// <summary>What is reached without learning anything; null if there is nothing worth a line.</summary>
    /// <param name="task">A task that <see cref="Build"/> returned.</param>
    public virtual MetricLevel? Baseline(ITrainingTask task) => null;

    /// <summary>The config of a known preset.</summary>
    /// <param name="preset">One of <see cref="Presets"/>.</param>
    protected abstract TrainConfig Create(string preset);
}
