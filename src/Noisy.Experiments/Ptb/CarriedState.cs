using Noisy.Models;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>The state that one window of a recurrent model hands to the next, cut off from the graph that made it.</summary>
internal sealed class CarriedState(RecurrentLanguageModel model, long batch, Device device) : IDisposable
{
    private static readonly string[] Names = ["hidden", "cell"];

    /// <summary>Hidden state and, of an LSTM, cell state, each [layers, B, H].</summary>
    public IReadOnlyList<Tensor> Now { get; private set; } = Owned(model.ZeroState(batch, device));

    /// <summary>All by the names that checkpoints have.</summary>
    public IReadOnlyDictionary<string, Tensor> ByName => Now.Zip(Names).ToDictionary(s => s.Second, s => s.First);

    /// <summary>Puts back what <see cref="ByName"/> gave.</summary>
    public void Restore(IReadOnlyDictionary<string, Tensor> carried)
    {
        foreach (var (name, state) in ByName) state.copy_(carried[name]);
    }

    /// <summary>Starts from zeros again.</summary>
    public void Zero()
    {
        foreach (var state in Now) state.zero_();
    }

    /// <summary>Takes the state after a window in place of the one before it.</summary>
    public void Keep(IReadOnlyList<Tensor> next)
    {
        var old = Now;
        Now = Owned(next.Select(s => s.detach()));
        foreach (var state in old) state.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var state in Now) state.Dispose();
    }

    private static IReadOnlyList<Tensor> Owned(IEnumerable<Tensor> state) => [.. state.Select(s => s.DetachFromDisposeScope())];
}
