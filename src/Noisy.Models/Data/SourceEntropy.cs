namespace Noisy.Models;

/// <summary>What the best possible model scores on generated data: the entropy of their source.</summary>
/// <param name="RateNats">Entropy rate of the source in nats a token: the expected score on an endless text.</param>
/// <param name="TestNats">Mean negative log-probability of the test split under the source itself, in nats a token, over
/// every token but the first (which no model predicts): what a perfect model scores on this very text.</param>
public sealed record SourceEntropy(double RateNats, double TestNats)
{
    /// <summary>Perplexity of <see cref="RateNats"/>.</summary>
    public double RatePerplexity => Math.Exp(RateNats);

    /// <summary>Perplexity of <see cref="TestNats"/>: the floor to set beside a reported test perplexity.</summary>
    public double TestPerplexity => Math.Exp(TestNats);
}
