using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What a decoder remembers of a batch between two words: some tensors, which it owns.</summary>
public abstract record StepState : IDisposable
{
    private protected abstract IReadOnlyList<Tensor> All { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in All) tensor.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Moves all to the scope around the present one.</summary>
    internal void MoveToOuterScope()
    {
        foreach (var tensor in All) tensor.MoveToOuterDisposeScope();
    }

    /// <summary>Takes all out of every scope: from now on they are disposed with this state alone.</summary>
    internal void Detach()
    {
        foreach (var tensor in All) tensor.DetachFromDisposeScope();
    }
}
