using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Settings of associative recall with a Neural Turing Machine.</summary>
public sealed record NtmRecallSettings : ISettings
{
    /// <summary>Items of an episode at most; training has 2 to so many, validation and test exactly so many. 2 to 1000. The
    /// stages of difficulty are the most items that training has: 2, 3, up to this.</summary>
    public int MaxItems { get; init; } = 16;

    /// <summary>What controls the machine.</summary>
    public NtmController Controller { get; init; }

    /// <summary>Factor of the controller's initial weights, > 0 and finite: a large one drives its units into saturation from the first update
    /// on, where noise should matter most.</summary>
    public double ControllerGain { get; init; } = 1;

    /// <summary>Units of the controller, ≥ 1.</summary>
    public int Hidden { get; init; } = 100;

    /// <summary>Rows of the memory, ≥ 1.</summary>
    public int MemoryRows { get; init; } = 128;

    /// <summary>Width of a row, ≥ 1.</summary>
    public int MemoryWidth { get; init; } = 20;

    /// <summary>Read heads, ≥ 1.</summary>
    public int ReadHeads { get; init; } = 1;

    /// <summary>Write heads, ≥ 1.</summary>
    public int WriteHeads { get; init; } = 1;

    /// <summary>Episodes of an update, all of one number of items; ≥ 1.</summary>
    public int Batch { get; init; } = 1;

    /// <summary>Batches of validation, and of test; ≥ 1.</summary>
    public int ValidationBatches { get; init; } = 200;

    /// <summary>The machine's sizes.</summary>
    internal NtmShape Shape => new(AssociativeRecall.Inputs, AssociativeRecall.Bits, Controller, Hidden, MemoryRows, MemoryWidth, ReadHeads, WriteHeads);

    /// <inheritdoc/>
    public IEnumerable<string> BrokenRules(TrainingSettings training)
    {
        if (MaxItems is < AssociativeRecall.LeastItems or > AssociativeRecall.MostItems)
            yield return $"maxItems is {MaxItems}: must be in [{AssociativeRecall.LeastItems}, {AssociativeRecall.MostItems}]";
        if (!double.IsFinite(ControllerGain) || ControllerGain <= 0) yield return $"controllerGain is {ControllerGain}: must be > 0 and finite";
        if (Batch < 1) yield return $"batch is {Batch}: must be >= 1";
        if (ValidationBatches < 1) yield return $"validationBatches is {ValidationBatches}: must be >= 1";
        var broken = Shape.BrokenRules().ToList();
        foreach (var rule in broken) yield return rule;
        if (broken.Count > 0 || MaxItems < 1 || Batch < 1) yield break;

        // What one pass keeps: the memory after every write, and the stages of each head's attention.
        var floats = (double)Batch * AssociativeRecall.Steps(MaxItems) * MemoryRows * ((WriteHeads * (MemoryWidth + 1.0)) + (6.0 * Shape.Heads));
        if (floats > int.MaxValue)
            yield return $"{Batch} episodes of {MaxItems} items with a memory of {MemoryRows} x {MemoryWidth} and {Shape.Heads} heads keep {4e-9 * floats:F1} GB: take fewer or smaller ones, at most 8.6 GB";
    }
}
