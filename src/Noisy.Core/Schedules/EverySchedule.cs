using static Noisy.Core.ScheduleRules;

namespace Noisy.Core;

/// <summary>A staircase of another schedule; made by <see cref="Schedule.Every"/>.</summary>
internal sealed record EverySchedule : Schedule
{
    internal EverySchedule(Schedule inner, long updates)
    {
        Check("every", Positive("updates", updates), NotTooDeep(inner));
        (Inner, Updates, Depth) = (inner, updates, inner.Depth + 1);
    }

    /// <summary>The schedule that gives the height of each stair.</summary>
    public Schedule Inner { get; }

    /// <summary>Length of a stair in updates; ≥ 1.</summary>
    public long Updates { get; }

    internal override int Depth { get; }

    /// <inheritdoc/>
    protected internal override double ValueAt(long update) => Inner.ValueAt(update / Updates);

    /// <inheritdoc/>
    protected internal override string Text => $"{Inner.Text} | every({ScheduleText.Format(Updates)})";
}
