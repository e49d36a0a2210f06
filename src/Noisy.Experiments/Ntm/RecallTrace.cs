using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>An episode, and what a machine did with it.</summary>
/// <param name="Episode">The episode, alone in its batch.</param>
/// <param name="Trace">Logits, attention and memory of every time step; owned by the caller.</param>
public sealed record RecallTrace(RecallBatch Episode, NtmTrace Trace) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Trace.Dispose();
}
