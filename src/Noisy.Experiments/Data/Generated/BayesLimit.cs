namespace Noisy.Experiments;

/// <summary>What the best classifier attains: the one that knows the mixture.</summary>
/// <param name="Nll">Mean negative log-likelihood of the true component; nats.</param>
/// <param name="Error">Share of points whose likeliest component is not the true one, in [0, 1].</param>
public readonly record struct BayesLimit(double Nll, double Error);
