using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

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

    /// <summary>Variants that are compared if the user names none.</summary>
    public abstract IReadOnlyList<string> DefaultActivations { get; }

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

    /// <summary>The published figure that a run is to be set beside; null unless it repeats the paper's setting.</summary>
    /// <param name="config">The run's config.</param>
    /// <param name="data">The run's data.</param>
    public abstract PaperFigure? Paper(TrainConfig config, DataIdentity data);

    /// <summary>The best attainable test metric of the run's data; null if unknown.</summary>
    /// <param name="task">A task that <see cref="Build"/> returned.</param>
    public virtual double? Floor(ITrainingTask task) => null;

    /// <summary>The config of a known preset.</summary>
    /// <param name="preset">One of <see cref="Presets"/>.</param>
    protected abstract TrainConfig Create(string preset);
}
