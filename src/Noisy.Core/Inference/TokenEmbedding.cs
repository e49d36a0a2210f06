namespace Noisy.Core;

/// <summary>The embedding of a language model: a row of numbers for each token.</summary>
internal sealed class TokenEmbedding
{
    private readonly float[] values = [];
    private readonly sbyte[] integers = [];
    private readonly float[] scales = [];
    private readonly int size;

    internal TokenEmbedding(FloatTensor weight, WeightPrecision precision)
    {
        size = weight.Shape[1];
        if (precision == WeightPrecision.Single)
        {
            values = weight.Values;
            return;
        }

        (integers, scales) = (new sbyte[weight.Values.Length], new float[weight.Shape[0]]);
        for (var token = 0; token < scales.Length; token++)
        {
            scales[token] = Int8Rows.Quantize(weight.Values.AsSpan(token * size, size), integers.AsSpan(token * size, size));
            if (float.IsNaN(scales[token])) throw new InvalidDataException($"its tensor {weight} is not finite, so eight bits cannot hold it: load it in single precision");
        }
    }

    /// <summary>Reads a token's row.</summary>
    internal void Read(int token, Span<float> to)
    {
        if (scales.Length == 0)
        {
            values.AsSpan(token * size, size).CopyTo(to);
            return;
        }

        var from = integers.AsSpan(token * size, size);
        for (var i = 0; i < size; i++) to[i] = from[i] * scales[token];
    }
}
