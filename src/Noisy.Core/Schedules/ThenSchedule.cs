using static Noisy.Core.ScheduleRules;

namespace Noisy.Core;

/// <summary>One schedule, then another; made by <see cref="Schedule.Then"/>.</summary>
internal sealed record ThenSchedule : Schedule
{
    internal ThenSchedule(Schedule first, long update, Schedule next)
    {
        Check("then", Positive("update", update), NotTooDeep(first), NotTooDeep(next));
        (First, Update, Next, Depth) = (first, update, next, Math.Max(first.Depth, next.Depth) + 1);
    }

    /// <summary>The schedule before the switch.</summary>
    public Schedule First { get; }

    /// <summary>First update of <see cref="Next"/>; ≥ 1.</summary>
    public long Update { get; }

    /// <summary>The schedule from the switch on, where it counts from 0.</summary>
    public Schedule Next { get; }

    internal override int Depth { get; }

    /// <inheritdoc/>
    protected internal override double ValueAt(long update) =>
        update < Update ? First.ValueAt(update) : Next.ValueAt(update - Update);

    /// <inheritdoc/>
    protected internal override string Text => $"{First.Text} | then({ScheduleText.Format(Update)}, {Next.Text})";
}
