using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What <c>nn.Embedding</c> becomes in a model whose embeddings are replaced: the same rows, by <see cref="EmbeddingLookup"/>.</summary>
internal sealed class EmbeddingRows : nn.Module<Tensor, Tensor>, IReached
{
    internal EmbeddingRows()
        : base(nameof(Embedding))
    {
        register_parameter("weight", new Parameter(empty(0, 0)));
    }

    /// <summary>[V, E]. By name: moving the module replaces it.</summary>
    internal Parameter Weight => get_parameter("weight")!;

    public bool Reached { get; private set; }

    /// <summary>Looks rows up.</summary>
    /// <param name="input">Row numbers, int64 or int32, of any shape.</param>
    /// <returns>[.., E]; owned by the caller.</returns>
    public override Tensor forward(Tensor input)
    {
        Reached = true;
        return EmbeddingLookup.Rows(Weight, input);
    }
}
