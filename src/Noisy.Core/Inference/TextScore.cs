namespace Noisy.Core;

/// <summary>How well a model predicts a text.</summary>
/// <param name="Nats">Negative log-likelihood of the predicted tokens, summed.</param>
/// <param name="Predicted">How many there are: all but the first.</param>
/// <param name="State">State of the layers before the last token: to continue, begin the next call with it and with that token.</param>
public sealed record TextScore(double Nats, int Predicted, RecurrentState State)
{
    /// <summary>exp(nats a token).</summary>
    public double Perplexity => Math.Exp(Nats / Predicted);
}
