namespace Noisy.Experiments;

/// <summary>One way in which a text of a <see cref="SentenceSource"/> may continue.</summary>
/// <param name="Token">Id of the next token.</param>
/// <param name="Probability">Its probability given all before, &gt; 0.</param>
/// <param name="State">The state after it.</param>
public readonly record struct SourceStep(int Token, double Probability, int State);
