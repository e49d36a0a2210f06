using System.Diagnostics;

namespace Noisy.Core;

/// <summary>A member of a team at work.</summary>
/// <param name="Job">What the team works on; null if one thread works alone.</param>
/// <param name="Index">Which member, from 0.</param>
/// <param name="Count">How many members work, ≥ 1.</param>
internal readonly record struct TeamMember(TeamJob? Job, int Index, int Count)
{
    /// <summary>Waits until every member is here.</summary>
    internal void Barrier() => Job?.Barrier();

    /// <summary>This member's share of a number of tasks: contiguous, sizes differing by at most one.</summary>
    internal (int First, int End) Share(int tasks) =>
        ((int)((long)tasks * Index / Count), (int)((long)tasks * (Index + 1) / Count));
}

/// <summary>
/// A few threads that do one job together many thousand times a second. They spin for a moment between jobs and then sleep,
/// so that they leave the cores to libtorch's own threads. The caller is member 0.
/// </summary>
/// <remarks>Which member does a task never changes a result: tasks write apart, and sums have an order of their own.</remarks>
internal sealed class ThreadTeam
{
    [ThreadStatic]
    private static bool working;

    private readonly Lock gate = new();
    private readonly List<Helper> helpers = [];
    private TeamJob current = new(_ => { }, 1);

    /// <summary>The process's team.</summary>
    internal static ThreadTeam Shared { get; } = new();

    /// <summary>Runs a job on several threads and waits for its end.</summary>
    /// <param name="threads">How many, ≥ 1; the caller is one of them.</param>
    /// <param name="body">The job; called once by each member.</param>
    internal void Run(int threads, Action<TeamMember> body)
    {
        if (threads <= 1 || working)
        {
            body(new TeamMember(null, 0, 1));
            return;
        }

        lock (gate)
        {
            while (helpers.Count < threads - 1) helpers.Add(new Helper(this, helpers.Count + 1));
            var job = new TeamJob(body, threads);
            Interlocked.Exchange(ref current, job);
            for (var i = 0; i < threads - 1; i++) helpers[i].Wake();
            working = true;
            try
            {
                job.Work(0);
                job.WaitForAll();
                EngineProfile.Mark(new TeamMember(null, 0, 1), EngineStage.Wait);
            }
            finally
            {
                working = false;
            }
        }
    }

    // Lives as long as the process, and so does its semaphore.
#pragma warning disable CA1001
    private sealed class Helper
#pragma warning restore CA1001
    {
        private readonly ThreadTeam team;
        private readonly int index;
        private readonly SemaphoreSlim bell = new(0);
        private TeamJob seen;
        private int asleep;

        internal Helper(ThreadTeam team, int index)
        {
            (this.team, this.index, seen) = (team, index, team.current);
            new Thread(Loop) { IsBackground = true, Name = $"Noisy {index}" }.Start();
        }

        internal void Wake()
        {
            if (Interlocked.Exchange(ref asleep, 0) == 1) bell.Release();
        }

        private void Loop()
        {
            working = true;
            while (true)
            {
                // A ring may come late, for a job that was seen and done already: no job is done twice.
                while (ReferenceEquals(Volatile.Read(ref team.current), seen)) Listen();
                seen = Volatile.Read(ref team.current);
                if (index < seen.Members) seen.Work(index);
            }
        }

        private void Listen()
        {
            var start = Stopwatch.GetTimestamp();
            while (Stopwatch.GetTimestamp() - start < TeamJob.SpinTicks)
            {
                if (!ReferenceEquals(Volatile.Read(ref team.current), seen)) return;
                Thread.SpinWait(4);
            }

            Interlocked.Exchange(ref asleep, 1);
            if (!ReferenceEquals(Volatile.Read(ref team.current), seen) && Interlocked.Exchange(ref asleep, 0) == 1) return;
            bell.Wait();
        }
    }
}

/// <summary>One job of a team.</summary>
internal sealed class TeamJob(Action<TeamMember> body, int members)
{
    internal static readonly long SpinTicks = Stopwatch.Frequency / 10_000; // 100 µs
    private Exception? failure;
    private int arrived, round, done;

    internal int Members { get; } = members;

    internal void Work(int index)
    {
        try
        {
            body(new TeamMember(this, index, Members));
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref failure, e, null);
        }

        Interlocked.Increment(ref done);
    }

    internal void WaitForAll()
    {
        var start = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref done) < Members) Pause(start);
        if (failure is { } e) throw new InvalidOperationException($"a member of the thread team failed: {e.Message}", e);
    }

    internal void Barrier()
    {
        var now = Volatile.Read(ref round);
        if (Interlocked.Increment(ref arrived) == Members)
        {
            Volatile.Write(ref arrived, 0);
            Volatile.Write(ref round, now + 1);
            return;
        }

        var start = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref round) == now)
        {
            if (Volatile.Read(ref failure) is not null) throw new OperationCanceledException("another member failed");
            Pause(start);
        }
    }

    // Spin while the others are likely to be running; give the core away when they are not.
    private static void Pause(long start)
    {
        if (Stopwatch.GetTimestamp() - start < SpinTicks) Thread.SpinWait(4);
        else Thread.Yield();
    }
}
