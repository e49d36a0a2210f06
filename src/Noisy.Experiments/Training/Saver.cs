using System.Diagnostics;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Saves checkpoints so often that a kill loses little, and so rarely that it costs under 2 % of the time; besides one after each
/// evaluation.</summary>
internal sealed class Saver(RunFolder folder, ITrainingTask task, Optimizer optimizer, BestWeights best, RunLog log, long loaded)
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1), Longest = TimeSpan.FromMinutes(10);
    private TimeSpan interval = Shortest;
    private long last = Stopwatch.GetTimestamp();

    /// <summary>Update of the newest checkpoint; 0 if there is none.</summary>
    public long Saved { get; private set; } = loaded;

    public void SaveIfDue(TrainState state)
    {
        if (Stopwatch.GetElapsedTime(last) >= interval) Save(state);
    }

    public void Save(TrainState state)
    {
        var start = Stopwatch.GetTimestamp();
        folder.EnsureThere();
        log.Sync();
        Checkpoint.Save(folder.Checkpoints, task, optimizer.State, best, state);
        folder.EnsureThere(); // it may have gone meanwhile
        Saved = state.Update;
        last = Stopwatch.GetTimestamp();
        interval = TimeSpan.FromTicks(Math.Clamp((50 * Stopwatch.GetElapsedTime(start, last)).Ticks, Shortest.Ticks, Longest.Ticks));
    }
}
