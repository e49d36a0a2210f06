using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Settings of a recurrent language model of words or of characters.</summary>
public sealed record LanguageModelSettings : ISettings
{
    /// <summary>What the layers are made of.</summary>
    public RecurrentKind Cell { get; init; }

    /// <summary>Recurrent layers, ≥ 1.</summary>
    public int Layers { get; init; } = 2;

    /// <summary>Units a layer, ≥ 1.</summary>
    public int Hidden { get; init; } = 200;

    /// <summary>Width of the embedding, ≥ 1; null makes it as wide as a layer.</summary>
    public int? Embedding { get; init; }

    /// <summary>Time steps of truncated back-propagation, ≥ 1.</summary>
    public int Bptt { get; init; } = 20;

    /// <summary>Windows of <see cref="Bptt"/> steps after which the state is zeroed: 1 makes each a sequence of its own, 0 carries it through
    /// the whole epoch.</summary>
    public int CarryWindows { get; init; }

    /// <summary>Streams of text side by side, ≥ 1.</summary>
    public int Batch { get; init; } = 20;

    /// <summary>Dropout on every layer's input and before the output layer, in [0, 1).</summary>
    public double Dropout { get; init; }

    /// <summary>Half-width of the interval of all initial weights, &gt; 0.</summary>
    public double InitRange { get; init; } = 0.1;

    /// <summary>Most words of a text of the user's own, the end of a line and the unknown word among them, ≥ 3; null takes
    /// <see cref="WordText.DefaultLimit"/>. Known texts and texts of characters have a vocabulary of their own.</summary>
    public int? Vocabulary { get; init; }

    /// <summary>Training tokens used, from the start of the text; 0 uses all.</summary>
    public int TrainTokens { get; init; }

    /// <inheritdoc/>
    public IEnumerable<string> BrokenRules(TrainingSettings training)
    {
        if (Layers < 1) yield return $"layers is {Layers}: must be >= 1";
        if (Hidden < 1) yield return $"hidden is {Hidden}: must be >= 1";
        if (Embedding < 1) yield return $"embedding is {Embedding}: must be >= 1, or null for the width of a layer";
        if (Bptt < 1) yield return $"bptt is {Bptt}: must be >= 1";
        if (CarryWindows < 0) yield return $"carryWindows is {CarryWindows}: must be >= 0 (0 carries the state through the epoch)";
        if (Batch < 1) yield return $"batch is {Batch}: must be >= 1";
        if (!(Dropout >= 0 && Dropout < 1)) yield return $"dropout is {Dropout}: must be in [0, 1)";
        if (!(double.IsFinite(InitRange) && InitRange > 0)) yield return $"initRange is {InitRange}: must be finite and > 0";
        if (Vocabulary < 3) yield return $"vocabulary is {Vocabulary}: must be >= 3, or null";
        if (TrainTokens < 0) yield return $"trainTokens is {TrainTokens}: must be >= 0 (0 uses all)";
    }
}
