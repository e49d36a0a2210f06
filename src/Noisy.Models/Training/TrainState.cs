namespace Noisy.Models;

/// <summary>Where a run stands; immutable, replaced at each update. Data position and learning rate follow from the update.</summary>
public sealed record TrainState
{
    /// <summary>Updates done.</summary>
    public long Update { get; init; }

    /// <summary>Time spent on updates so far, over all sittings; seconds.</summary>
    public double Seconds { get; init; }

    /// <summary>Summed negative log-likelihood of the current epoch's batches; nats.</summary>
    public double EpochNll { get; init; }

    /// <summary>Items behind <see cref="EpochNll"/>.</summary>
    public long EpochItems { get; init; }

    /// <summary>Items trained on since the start.</summary>
    public long Items { get; init; }

    /// <summary>Length of the log when this state was saved; what follows belongs to lost updates. Bytes.</summary>
    public long LogLength { get; init; }

    /// <summary>Best validation metric so far; null before the first evaluation.</summary>
    public double? Best { get; init; }

    /// <summary>Update of <see cref="Best"/>.</summary>
    public long BestUpdate { get; init; }

    /// <summary>Epochs whose end has been evaluated and logged.</summary>
    public long EpochsEvaluated { get; init; }

    /// <summary>Training metrics of the last whole epoch; null before its end.</summary>
    public IReadOnlyDictionary<string, double>? Train { get; init; }

    /// <summary>Validation metrics after the last whole epoch; null before its end.</summary>
    public IReadOnlyDictionary<string, double>? Valid { get; init; }
}
