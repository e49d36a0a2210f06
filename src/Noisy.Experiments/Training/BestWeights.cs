using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>A copy of a model's weights and buffers, apart from the model; empty at first.</summary>
internal sealed class BestWeights : IDisposable
{
    private Dictionary<string, Tensor> tensors = [];

    /// <summary>The copies by name; owned by this object.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors => tensors;

    /// <summary>Takes copies in place of those held.</summary>
    /// <param name="source">Tensors by name, such as a model's <c>state_dict</c>.</param>
    public void Capture(IEnumerable<KeyValuePair<string, Tensor>> source)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var copies = source.ToDictionary(t => t.Key, t => t.Value.detach().clone().DetachFromDisposeScope());
        Dispose();
        tensors = copies;
    }

    /// <summary>Puts the copies into a model.</summary>
    /// <param name="model">A model with the same names and shapes.</param>
    public void Restore(nn.Module model)
    {
        using var _ = no_grad();
        foreach (var (name, tensor) in model.state_dict()) tensor.copy_(tensors[name]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in tensors.Values) tensor.Dispose();
        tensors = [];
    }
}
