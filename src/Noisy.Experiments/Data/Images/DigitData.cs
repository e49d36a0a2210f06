namespace Noisy.Experiments;

/// <summary>Images of the ten digits in three parts; a pixel's input is its intensity / 255, in [0, 1].</summary>
/// <param name="Identity">Which images these are.</param>
/// <param name="Train">What is learned from.</param>
/// <param name="Valid">What decisions are made on.</param>
/// <param name="Test">What is reported.</param>
public sealed record DigitData(DataIdentity Identity, LabelledImages Train, LabelledImages Valid, LabelledImages Test) : IClassifiedData
{
    /// <summary>Rows and columns of an image.</summary>
    public const int Side = 28;

    /// <inheritdoc/>
    public int Inputs => Side * Side;

    /// <inheritdoc/>
    public int Classes => 10;

    /// <summary>The same data with fewer images to learn from.</summary>
    /// <param name="train">How many training images to keep, from the start; 0, or more than there are, keeps all.</param>
    public DigitData WithTrain(int train) => train == 0 || train >= Train.Count ? this : this with { Train = Train.Range(0, train) };

    /// <inheritdoc/>
    public long? Count(Split split) => Part(split).Count;

    /// <inheritdoc/>
    public void Fill(Split split, ReadOnlySpan<long> indices, Span<float> inputs, Span<long> classes)
    {
        var images = Part(split);
        for (var b = 0; b < indices.Length; b++)
        {
            classes[b] = images.Labels[indices[b]];
            var pixels = images.Pixels.AsSpan(checked((int)indices[b] * Inputs), Inputs);
            var target = inputs.Slice(b * Inputs, Inputs);
            for (var i = 0; i < pixels.Length; i++) target[i] = pixels[i] * (1f / 255);
        }
    }

    private LabelledImages Part(Split split) => split switch
    {
        Split.Train => Train,
        Split.Valid => Valid,
        _ => Test,
    };
}
