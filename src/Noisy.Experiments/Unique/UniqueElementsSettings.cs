using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Settings of the counting of unique elements.</summary>
public sealed record UniqueElementsSettings : ISettings
{
    /// <summary>Elements of a sequence, ≥ 1: the length that is tested.</summary>
    public int Length { get; init; } = 26;

    /// <summary>Length of the first stage of a curriculum, in [1, <see cref="Length"/>]; each further stage is one longer.</summary>
    public int FirstLength { get; init; } = 1;

    /// <summary>How many different values there are, in [2, 1000]; the elements are 0 to this less 1.</summary>
    public int Values { get; init; } = 11;

    /// <summary>Width of the embedding, ≥ 1.</summary>
    public int Embedding { get; init; } = 32;

    /// <summary>LSTM units, ≥ 1.</summary>
    public int Hidden { get; init; } = 64;

    /// <summary>Units of the hidden layer after the mean over time, ≥ 1.</summary>
    public int Mlp { get; init; } = 64;

    /// <summary>Sequences an update, ≥ 1.</summary>
    public int Batch { get; init; } = 32;

    /// <summary>Sequences of validation, ≥ 1.</summary>
    public int ValidExamples { get; init; } = 2_000;

    /// <summary>Sequences of test, ≥ 1.</summary>
    public int TestExamples { get; init; } = 10_000;

    // A checksum is taken of an array of their bytes.
    private static int MostElements => Array.MaxLength / sizeof(long);

    /// <inheritdoc/>
    public IEnumerable<string> BrokenRules(TrainingSettings training)
    {
        if (Length < 1) yield return $"length is {Length}: must be >= 1";
        if (FirstLength < 1 || FirstLength > Math.Max(1, Length)) yield return $"firstLength is {FirstLength}: must be in [1, length], that is [1, {Length}]";
        if (Values is < 2 or > 1000) yield return $"values is {Values}: must be in [2, 1000]";
        if (Embedding < 1) yield return $"embedding is {Embedding}: must be >= 1";
        if (Hidden < 1) yield return $"hidden is {Hidden}: must be >= 1";
        if (Mlp < 1) yield return $"mlp is {Mlp}: must be >= 1";
        if (Batch < 1) yield return $"batch is {Batch}: must be >= 1";
        if (ValidExamples < 1) yield return $"validExamples is {ValidExamples}: must be >= 1";
        if (TestExamples < 1) yield return $"testExamples is {TestExamples}: must be >= 1";
        foreach (var (name, sequences) in new[] { ("batch", Batch), ("validExamples", ValidExamples), ("testExamples", TestExamples) })
            if ((long)Length * sequences > MostElements)
                yield return $"{name} is {sequences} of length {Length}: together at most {MostElements} elements";
        if ((long)Values * Batch > MostElements) yield return $"batch is {Batch} of {Values} values: their product must be at most {MostElements}";
    }
}
