using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Settings of the translation experiment.</summary>
public sealed record TranslationSettings : ISettings
{
    /// <summary>Which known text is translated, if the user names a folder: "multi30k", or "europarl" (two samples of it, with
    /// newstest2012 for validation and newstest2013 for test).</summary>
    public string Text { get; init; } = TranslationTexts.Multi30k;

    /// <summary>Part of that text that is tested; null takes its first.</summary>
    public string? TestPart { get; init; }

    /// <summary>Most words of each language, the end of a sentence and the unknown word among them, ≥ 3.</summary>
    public int Vocabulary { get; init; } = 10_000;

    /// <summary>Training pairs of which a side has this many words or more are left out, ≥ 2; of a text of the user's own pairs of validation
    /// and test too, before it is cut, so that another number cuts it elsewhere.</summary>
    public int MaxLength { get; init; } = 50;

    /// <summary>Training pairs used, from the start; 0 uses all.</summary>
    public int TrainPairs { get; init; }

    /// <summary>Width of the embeddings and of the readout, ≥ 1.</summary>
    public int Embedding { get; init; } = 128;

    /// <summary>Units of each GRU, ≥ 1.</summary>
    public int Hidden { get; init; } = 256;

    /// <summary>Units of the attention, ≥ 1.</summary>
    public int Attention { get; init; } = 256;

    /// <summary>Sentences an update, ≥ 1.</summary>
    public int Batch { get; init; } = 32;

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
        if (!TranslationTexts.Known.Contains(Text)) yield return $"text is '{Text}': must be {string.Join(" or ", TranslationTexts.Known)}";
        if (Vocabulary < 3) yield return $"vocabulary is {Vocabulary}: must be >= 3";
        if (MaxLength < 2) yield return $"maxLength is {MaxLength}: must be >= 2";
        if (TrainPairs < 0) yield return $"trainPairs is {TrainPairs}: must be >= 0 (0 uses all)";
        if (Embedding < 1) yield return $"embedding is {Embedding}: must be >= 1";
        if (Hidden < 1) yield return $"hidden is {Hidden}: must be >= 1";
        if (Attention < 1) yield return $"attention is {Attention}: must be >= 1";
        if (Batch < 1) yield return $"batch is {Batch}: must be >= 1";
        if (Beam < 1) yield return $"beam is {Beam}: must be >= 1";
        if (!(double.IsFinite(LengthPower) && LengthPower >= 0)) yield return $"lengthPower is {LengthPower}: must be finite and >= 0";
    }
}
