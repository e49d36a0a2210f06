using System.Buffers;

namespace Noisy.Core;

/// <summary>From logits to probabilities and to a token drawn by them.</summary>
internal static class TokenDraw
{
    /// <summary>The softmax of logits / temperature.</summary>
    internal static void Probabilities(ReadOnlySpan<float> logits, double temperature, Span<double> probabilities)
    {
        if (!(double.IsFinite(temperature) && temperature > 0)) throw new ArgumentOutOfRangeException(nameof(temperature), temperature, "must be finite and > 0");
        double greatest = logits[Greatest(logits)];
        var sum = 0.0;
        for (var i = 0; i < logits.Length; i++) sum += probabilities[i] = Math.Exp((logits[i] - greatest) / temperature);
        for (var i = 0; i < logits.Length; i++) probabilities[i] /= sum;
    }

    /// <summary>Draws a token; temperature 0 takes the most probable one.</summary>
    internal static int Sample(ReadOnlySpan<float> logits, NoiseStream stream, double temperature)
    {
        if (temperature == 0) return Greatest(logits);
        var rented = ArrayPool<double>.Shared.Rent(logits.Length);
        try
        {
            var probabilities = rented.AsSpan(0, logits.Length);
            Probabilities(logits, temperature, probabilities);

            // 53 bits, since one in millions counts where there are thousands of rare words.
            var left = ((((ulong)stream.Word(0) << 32) | stream.Word(1)) >> 11) / (double)(1L << 53);
            for (var id = 0; id < probabilities.Length; id++)
            {
                left -= probabilities[id];
                if (left < 0) return id;
            }

            return Greatest(logits); // what roundings left over
        }
        finally
        {
            ArrayPool<double>.Shared.Return(rented);
        }
    }

    /// <summary>The first of the greatest; what is not a number is passed over.</summary>
    private static int Greatest(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best] || float.IsNaN(logits[best])) best = i;
        }

        return best;
    }
}
