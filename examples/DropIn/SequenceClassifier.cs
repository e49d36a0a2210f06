using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Examples.DropIn;

/// <summary>
/// Some model that knows nothing of noise: embedding, two LSTM layers, a small perceptron on the last output. Its recurrent
/// field has torch's general type, so that another module with the same signature fits.
/// </summary>
public sealed class SequenceClassifier : nn.Module<Tensor, Tensor>
{
    private readonly Embedding embedding;
    private readonly nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)> lstm;
    private readonly Sequential head;

    /// <summary>Creates the model.</summary>
    /// <param name="tokens">Size of the vocabulary.</param>
    /// <param name="width">Width of the embedding and of the layers.</param>
    /// <param name="classes">Number of classes.</param>
    public SequenceClassifier(long tokens, long width, long classes)
        : base(nameof(SequenceClassifier))
    {
        embedding = nn.Embedding(tokens, width);
        lstm = nn.LSTM(width, width, numLayers: 2, batchFirst: true, dropout: 0.1);
        head = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, classes));
        RegisterComponents();
    }

    /// <summary>Scores the classes.</summary>
    /// <param name="input">Token ids [B, T].</param>
    /// <returns>Scores [B, classes].</returns>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var (output, _, _) = lstm.call(embedding.call(input), null);
        return head.call(output.select(1, -1)).MoveToOuterDisposeScope();
    }
}
