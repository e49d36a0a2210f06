using Noisy.Core;
using Noisy.Models;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>An experiment as a value: its presets, its rows, and how a config becomes a model with data. The paper's experiments and
/// anyone's own are made of the same parts.</summary>
public sealed record Experiment
{
    /// <summary>Lower-case name; the default of <c>--out</c> ends in it.</summary>
    public required string Name { get; init; }

    /// <summary>What it is, in one line.</summary>
    public required string Title { get; init; }

    /// <summary>Section of the paper; null if the experiment is not the paper's.</summary>
    public string? PaperSection { get; init; }

    /// <summary>The presets; the first is the default.</summary>
    public required IReadOnlyList<Preset> Presets { get; init; }

    /// <summary>Activations that <c>--activation</c> takes; default the library's variants.</summary>
    public IReadOnlyList<ActivationPair> Activations { get; init; } = Variants.All;

    /// <summary>Rows that are trained if the user names none: rows or names of activations.</summary>
    public required IReadOnlyList<string> DefaultRows { get; init; }

    /// <summary>Rows with settings of their own, by the preset. Besides them every activation's name is a row, the preset with that
    /// activation. Settings such as the length of a curriculum may depend on the preset, names do not.</summary>
    public Func<Preset, IReadOnlyList<ExperimentRow>> RowsOf { get; init; } = _ => [];

    /// <summary>Builds model and data of a run.</summary>
    public required Func<RunConfig, DataCache, Device, ITrainingTask> BuildTask { get; init; }

    /// <summary>Whether data that the user names can take the place of the built-in ones.</summary>
    public bool TakesRealData { get; init; }

    /// <summary>Updates from one that is monitored to the next, where the user asks for monitors and names no number: so many that monitors
    /// cost less than 3 % of the training.</summary>
    public long MonitorEvery { get; init; } = 500;

    /// <summary>Rules that a config must keep besides those that all configs have: one sentence for each that is broken.</summary>
    public Func<RunConfig, IEnumerable<string>> RulesOf { get; init; } = _ => [];

    /// <summary>The published figure that a row is compared with; null unless the run repeats the paper's setting.</summary>
    public Func<RunConfig, DataIdentity, string, PaperFigure?> PaperFigureOf { get; init; } = (_, _, _) => null;

    /// <summary>Published curves of the task's metric over updates, to be drawn beside runs of a preset.</summary>
    public Func<string, IReadOnlyList<PaperCurve>> PaperCurvesOf { get; init; } = _ => [];

    /// <summary>The best attainable test metric of the run's data; null if unknown.</summary>
    public Func<ITrainingTask, double?> FloorOf { get; init; } = _ => null;

    /// <summary>What is reached without learning anything; null if there is nothing worth a line.</summary>
    public Func<ITrainingTask, MetricLevel?> BaselineOf { get; init; } = _ => null;

    /// <summary>Level of the metric in validation at which a run counts as one that has solved its task, although it trains on; null where
    /// runs do not so much solve their task as get better at it. A config's <c>stopAt</c> takes its place.</summary>
    public double? SolvedLevel { get; init; }

    /// <summary>Pictures besides the curves; null if there are none.</summary>
    public RunPictures? Pictures { get; init; }

    /// <summary>This experiment with pictures besides the curves.</summary>
    /// <param name="pictures">What to draw of a run that is done.</param>
    public Experiment WithPictures(RunPictures pictures) => this with { Pictures = pictures };

    /// <summary>Rows with settings of their own.</summary>
    /// <param name="preset">Name of a preset.</param>
    /// <exception cref="UsageException">There is no such preset; the message lists those that exist.</exception>
    public IReadOnlyList<ExperimentRow> Rows(string preset) => RowsOf(Preset(preset));

    /// <summary>The config of a preset, with the first default row's activation and seed 1.</summary>
    /// <param name="preset">Name of a preset.</param>
    /// <exception cref="UsageException">There is no such preset; the message lists those that exist.</exception>
    public RunConfig Config(string preset)
    {
        var (found, first) = (Preset(preset), DefaultRows[0]);
        var activation = RowsOf(found).FirstOrDefault(r => r.Name == first)?.Activation ?? Activation(first);
        return new() { Experiment = Name, Preset = preset, Activation = activation, Training = found.Training.For(activation), Settings = found.Settings };
    }

    /// <summary>The config of a row.</summary>
    /// <param name="preset">Name of a preset.</param>
    /// <param name="row">Name of a row, or of an activation.</param>
    /// <returns>The config with seed 1.</returns>
    /// <exception cref="UsageException">There is no such preset.</exception>
    /// <exception cref="InvalidSpecException">There is no such row or activation; the message lists those that exist.</exception>
    public RunConfig RowConfig(string preset, string row)
    {
        var found = Preset(preset);
        var start = Config(preset) with { Training = found.Training };
        return RowsOf(found).FirstOrDefault(r => r.Name == row) is { } own ? own.Apply(start) : With(start, Activation(row));
    }

    /// <summary>The row that a config is, whatever its seed.</summary>
    /// <param name="config">A config of this experiment.</param>
    /// <returns>Name of a row or of an activation; null if other fields differ from the preset's too.</returns>
    public string? RowOf(RunConfig config) =>
        Presets.Any(p => p.Name == config.Preset)
            ? Rows(config.Preset).Select(r => r.Name).Concat(Activations.Where(a => a == config.Activation).Select(a => a.Name))
                .FirstOrDefault(row => config == RowConfig(config.Preset, row) with { Seed = config.Seed })
            : null;

    /// <summary>An activation by its name.</summary>
    /// <param name="name">The name; case does not matter.</param>
    /// <exception cref="InvalidSpecException">There is none; the message lists those that exist.</exception>
    public ActivationPair Activation(string name) => Activations.FirstOrDefault(a => a.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new InvalidSpecException([$"unknown activation '{name}': known are {string.Join(", ", Activations.Select(a => a.Name))}"]);

    /// <summary>Checks every rule of a config.</summary>
    /// <param name="config">A config of this experiment.</param>
    /// <returns>One sentence for each broken rule.</returns>
    public IReadOnlyList<string> BrokenRules(RunConfig config)
    {
        var counts = Preset(config.Preset).Training.EpochUpdates is not null;
        string[] epoch = (counts, config.Training.EpochUpdates) switch
        {
            (true, null) => ["epochUpdates is null: must be >= 1"],
            (false, not null) => [$"epochUpdates does not apply to {Name}, whose epochs are passes over its data"],
            _ => [],
        };
        return [.. epoch, .. config.BrokenRules(), .. RulesOf(config)];
    }

    /// <summary>Builds model and data of a run.</summary>
    /// <param name="config">A valid config of this experiment.</param>
    /// <param name="cache">Where data are found.</param>
    /// <param name="device">Where the model lives.</param>
    /// <returns>The task; the caller disposes it.</returns>
    /// <exception cref="DataException">Data are missing or damaged.</exception>
    public ITrainingTask Build(RunConfig config, DataCache cache, Device device) => BuildTask(config, cache, device);

    /// <summary>The published figure that a run is compared with; null unless it repeats the paper's setting.</summary>
    /// <param name="config">The run's config.</param>
    /// <param name="data">The run's data.</param>
    public PaperFigure? Paper(RunConfig config, DataIdentity data) => RowOf(config) is { } row ? PaperFigureOf(config, data, row) : null;

    /// <summary>Published curves, to be drawn beside runs of a preset.</summary>
    /// <param name="preset">Name of a preset.</param>
    public IReadOnlyList<PaperCurve> Curves(string preset) => PaperCurvesOf(preset);

    /// <summary>The best attainable test metric of a task's data; null if unknown.</summary>
    /// <param name="task">A task that <see cref="Build"/> returned.</param>
    public double? Floor(ITrainingTask task) => FloorOf(task);

    /// <summary>What is reached without learning anything; null if there is nothing worth a line.</summary>
    /// <param name="task">A task that <see cref="Build"/> returned.</param>
    public MetricLevel? Baseline(ITrainingTask task) => BaselineOf(task);

    private static RunConfig With(RunConfig preset, ActivationPair activation) => preset with { Activation = activation, Training = preset.Training.For(activation) };

    private Preset Preset(string name) => Presets.FirstOrDefault(p => p.Name == name)
        ?? throw new UsageException($"unknown preset '{name}' of {Name}: known are {string.Join(", ", Presets.Select(p => p.Name))}");
}
