using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Settings of Learning to Execute: a recurrent network that reads programs and writes what they print.</summary>
public sealed record LearningToExecuteSettings : ISettings
{
    /// <summary>Length L* of the programs that count: numbers up to 10^L*; 1 to 18. Easier stages have shorter ones.</summary>
    public int Length { get; init; } = 6;

    /// <summary>Operations N* of the programs that count, 1 to 10. Easier stages have fewer.</summary>
    public int Nesting { get; init; } = 3;

    /// <summary>LSTM layers, ≥ 1.</summary>
    public int Layers { get; init; } = 2;

    /// <summary>Units a layer, and width of the embedding; ≥ 1.</summary>
    public int Hidden { get; init; } = 400;

    /// <summary>Characters of a window: time steps of truncated back-propagation, ≥ 1.</summary>
    public int Bptt { get; init; } = 50;

    /// <summary>Streams of programs side by side, ≥ 1.</summary>
    public int Batch { get; init; } = 100;

    /// <summary>Windows of the validation and test streams, ≥ 1; a program must fit into them.</summary>
    public int EvaluationWindows { get; init; } = 10;

    /// <summary>Half-width of the interval of all initial weights, &gt; 0.</summary>
    public double InitRange { get; init; } = 0.08;

    /// <summary>The difficulty that counts.</summary>
    internal ProgramDifficulty Target => new(Length, Nesting);

    /// <summary>Stages of difficulty: every length with every nesting.</summary>
    internal int Stages => Length * Nesting;

    /// <inheritdoc/>
    public IEnumerable<string> BrokenRules(TrainingSettings training)
    {
        if (Length is < 1 or > ProgramDifficulty.MaxLength) yield return $"length is {Length}: must be 1 to {ProgramDifficulty.MaxLength}";
        if (Nesting is < 1 or > ProgramDifficulty.MaxNesting) yield return $"nesting is {Nesting}: must be 1 to {ProgramDifficulty.MaxNesting}";
        if (Layers < 1) yield return $"layers is {Layers}: must be >= 1";
        if (Hidden < 1) yield return $"hidden is {Hidden}: must be >= 1";
        if (Bptt < 1) yield return $"bptt is {Bptt}: must be >= 1";
        if (Batch < 1) yield return $"batch is {Batch}: must be >= 1";
        if (training.EpochUpdates is < 2 || training.EpochUpdates % 2 != 0) yield return $"epochUpdates is {training.EpochUpdates}: must be even and >= 2, since validation comes twice an epoch";
        if (EvaluationWindows < 1) yield return $"evaluationWindows is {EvaluationWindows}: must be >= 1";
        if (!(double.IsFinite(InitRange) && InitRange > 0)) yield return $"initRange is {InitRange}: must be finite and > 0";
        if (Bptt >= 1)
        {
            foreach (var rule in ColumnRules(training.EpochUpdates ?? 1)) yield return rule;
        }
    }

    private IEnumerable<string> ColumnRules(int epochUpdates)
    {
        foreach (var (name, windows) in new[] { ("epochUpdates", epochUpdates), ("evaluationWindows", EvaluationWindows) })
        {
            var characters = ((long)windows * Bptt) + 1;
            if (windows >= 1 && characters < Target.LongestText)
                yield return $"{name} is {windows} of bptt {Bptt}: a stream of {characters} characters is too short for programs of length {Length} and nesting {Nesting}, which may have {Target.LongestText}";
            if (characters * Math.Max(1, Batch) > int.MaxValue)
                yield return $"{name} is {windows} of bptt {Bptt} in {Batch} streams: together at most {int.MaxValue} characters";
        }
    }
}
