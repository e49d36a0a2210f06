namespace Noisy.Core;

/// <summary>Tasks that a team's members take one after another, so that a slow member does fewer.</summary>
/// <remarks>For tasks that write apart and whose result does not depend on who does them.</remarks>
/// <param name="count">How many tasks there are.</param>
internal sealed class TaskQueue(int count)
{
    private int next = -1;

    /// <summary>Tasks there are.</summary>
    internal int Count => count;

    /// <summary>Puts all tasks back; while nobody takes any.</summary>
    internal void Restart() => next = -1;

    /// <summary>Takes a task.</summary>
    /// <param name="task">Its number, from 0.</param>
    /// <returns>Whether there was one.</returns>
    internal bool Take(out int task)
    {
        task = Interlocked.Increment(ref next);
        return task < count;
    }
}
