namespace Noisy.Models;

/// <summary>A sequence that a search found.</summary>
/// <param name="Tokens">Its tokens, without the end token.</param>
/// <param name="LogProbability">Sum of log p over the tokens and the end token; nats.</param>
/// <param name="Score">What hypotheses are ranked by: log p, divided by a power of the length where the search says so.</param>
/// <param name="Finished">Whether the end token was reached within the maximum length.</param>
public sealed record Hypothesis(int[] Tokens, double LogProbability, double Score, bool Finished);
