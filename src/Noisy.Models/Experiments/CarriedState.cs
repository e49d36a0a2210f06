using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Hidden and cell state that one window of a recurrent model hands to the next, cut off from the graph that made them.</summary>
internal sealed class CarriedState(RecurrentLanguageModel model, long batch, Device device) : IDisposable
{
    /// <summary>Hidden and cell state, each [layers, B, H].</summary>
    public (Tensor Hidden, Tensor Cell) Now { get; private set; } = Owned(model.ZeroState(batch, device));

    /// <summary>Both by the names that checkpoints have.</summary>
    public IReadOnlyDictionary<string, Tensor> ByName => new Dictionary<string, Tensor> { ["hidden"] = Now.Hidden, ["cell"] = Now.Cell };

    /// <summary>Puts back what <see cref="ByName"/> gave.</summary>
    public void Restore(IReadOnlyDictionary<string, Tensor> carried)
    {
        Now.Hidden.copy_(carried["hidden"]);
        Now.Cell.copy_(carried["cell"]);
    }

    /// <summary>Starts from zeros again.</summary>
    public void Zero()
    {
        Now.Hidden.zero_();
        Now.Cell.zero_();
    }

    /// <summary>Takes the state after a window in place of the one before it.</summary>
    public void Keep((Tensor Hidden, Tensor Cell) next)
    {
        var old = Now;
        Now = Owned((next.Hidden.detach(), next.Cell.detach()));
        old.Hidden.Dispose();
        old.Cell.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Now.Hidden.Dispose();
        Now.Cell.Dispose();
    }

    private static (Tensor Hidden, Tensor Cell) Owned((Tensor Hidden, Tensor Cell) state) =>
        (state.Hidden.DetachFromDisposeScope(), state.Cell.DetachFromDisposeScope());
}
