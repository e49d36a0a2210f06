using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>What the best possible model scores on a generated text: the entropy of its source.</summary>
/// <param name="TestNats">Mean negative log-probability of the test split under the source itself, in nats a token, over
/// every token but the first (which no model predicts): what a perfect model scores on this very text.</param>
public sealed record SourceEntropy(double TestNats)
{
    /// <summary>Perplexity of <see cref="TestNats"/>: the floor to compare with a reported test perplexity.</summary>
    public double TestPerplexity => Math.Exp(TestNats);

    /// <summary><see cref="TestNats"/> in bits: the floor to compare with reported bits per character.</summary>
    public double TestBits => TestNats / Math.Log(2);
}
