using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>A run as <see cref="Trainer"/> takes it: what is trained, and what changes where and how long it runs but not its result.</summary>
public sealed record TrainingRun
{
    /// <summary>What to train.</summary>
    public required RunConfig Config { get; init; }

    /// <summary>Model and data, freshly built from the config; the caller disposes it.</summary>
    public required ITrainingTask Task { get; init; }

    /// <summary>The run's folder.</summary>
    public required string Folder { get; init; }

    /// <summary>What the run is called in tables, such as "nah c=0.25"; null takes the activation's name.</summary>
    public string? Label { get; init; }

    /// <summary>Where the model lives; the task is built there.</summary>
    public Device Device { get; init; } = CPU;

    /// <summary>CPU threads, ≥ 1; default all. The fused engine gives the same bits for any number.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>Stop after this many updates; null goes to the end.</summary>
    public long? MaxUpdates { get; init; }

    /// <summary>Updates from one that is monitored to the next, ≥ 1, the first being the run's first: what saturation and noise do in it goes
    /// into the log and the summary. Null monitors none. Results do not depend on it.</summary>
    public long? MonitorEvery { get; init; }

    /// <summary>The published figure to compare with, if any.</summary>
    public PaperFigure? Paper { get; init; }

    /// <summary>Best attainable test metric, if known.</summary>
    public double? Floor { get; init; }

    /// <summary>Sees the progress; null if nobody does.</summary>
    public ITrainingObserver? Observer { get; init; }
}
