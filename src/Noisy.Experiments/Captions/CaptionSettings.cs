using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Settings of the captioning experiment.</summary>
public sealed record CaptionSettings : ISettings
{
    /// <summary>How places are attended to in training; the test attends to all, weighted.</summary>
    public AttentionKind AttentionKind { get; init; }

    /// <summary>Most words, the end of a caption and the unknown word among them, ≥ 3.</summary>
    public int Vocabulary { get; init; } = 10_000;

    /// <summary>Training captions with so many words or more are left out, ≥ 2.</summary>
    public int MaxLength { get; init; } = 100;

    /// <summary>Training pictures used, from the start; 0 uses all.</summary>
    public int TrainImages { get; init; }

    /// <summary>Width of the embedding and of the readout, ≥ 1.</summary>
    public int Embedding { get; init; } = 100;

    /// <summary>Units of the LSTM, ≥ 1.</summary>
    public int Hidden { get; init; } = 1000;

    /// <summary>Units of the attention, ≥ 1; null takes as many as an annotation has numbers.</summary>
    public int? Attention { get; init; }

    /// <summary>Whether a gate scales the attended mean.</summary>
    public bool Selector { get; init; }

    /// <summary>Whether the readout sees the word before.</summary>
    public bool WordToOutput { get; init; }

    /// <summary>Whether the readout sees the attended mean.</summary>
    public bool ContextToOutput { get; init; }

    /// <summary>Weight of the penalty on places that are attended to too much or too little over a caption, ≥ 0.</summary>
    public double AlphaC { get; init; }

    /// <summary>Dropout on the LSTM's output and on the readout, in [0, 1).</summary>
    public double Dropout { get; init; } = 0.5;

    /// <summary>Captions an update at most, ≥ 1.</summary>
    public int Batch { get; init; } = 64;

    /// <summary>How weights begin; null takes the reference's for the soft network and the paper's for all others (decision
    /// 15).</summary>
    public InitialScheme? Init { get; init; }

    /// <summary>Hypotheses of the beam search in the test, ≥ 1.</summary>
    public int Beam { get; init; } = 5;

    /// <summary>Hypotheses are ranked by log p / length^this; ≥ 0.</summary>
    public double LengthPower { get; init; } = 1;

    /// <inheritdoc/>
    public IEnumerable<string> BrokenRules(TrainingSettings training)
    {
        if (Vocabulary < 3) yield return $"vocabulary is {Vocabulary}: must be >= 3";
        if (MaxLength < 2) yield return $"maxLength is {MaxLength}: must be >= 2";
        if (TrainImages < 0) yield return $"trainImages is {TrainImages}: must be >= 0 (0 uses all)";
        if (Embedding < 1) yield return $"embedding is {Embedding}: must be >= 1";
        if (Hidden < 1) yield return $"hidden is {Hidden}: must be >= 1";
        if (Attention < 1) yield return $"attention is {Attention}: must be >= 1, or null";
        if (!(double.IsFinite(AlphaC) && AlphaC >= 0)) yield return $"alphaC is {AlphaC}: must be finite and >= 0";
        if (!(Dropout >= 0 && Dropout < 1)) yield return $"dropout is {Dropout}: must be in [0, 1)";
        if (Batch < 1) yield return $"batch is {Batch}: must be >= 1";
        if (Beam < 1) yield return $"beam is {Beam}: must be >= 1";
        if (!(double.IsFinite(LengthPower) && LengthPower >= 0)) yield return $"lengthPower is {LengthPower}: must be finite and >= 0";
    }
}
