namespace Noisy.Core;

/// <summary>What a language model expects next.</summary>
/// <param name="Logits">One number a token; a greater one means a more probable token.</param>
/// <param name="State">State of the layers, for the next call.</param>
public sealed record Prediction(float[] Logits, RecurrentState State)
{
    /// <summary>Probability of every token: the softmax of logits / temperature.</summary>
    /// <param name="temperature">1 for the model's own probabilities; less prefers the probable; finite and &gt; 0.</param>
    /// <returns>Numbers ≥ 0 that add up to 1.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The temperature is out of range.</exception>
    public double[] Probabilities(double temperature = 1)
    {
        var probabilities = new double[Logits.Length];
        TokenDraw.Probabilities(Logits, temperature, probabilities);
        return probabilities;
    }

    /// <summary>Draws the next token.</summary>
    /// <param name="stream">Where chance comes from: take another time step for each token.</param>
    /// <param name="temperature">As for <see cref="Probabilities"/>; 0 takes the most probable token.</param>
    /// <returns>Id of the token.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The temperature is negative or not finite.</exception>
    public int Sample(NoiseStream stream, double temperature = 1)
    {
        return TokenDraw.Sample(Logits, stream, temperature);
    }
}
