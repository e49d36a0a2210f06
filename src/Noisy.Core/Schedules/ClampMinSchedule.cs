using static Noisy.Core.ScheduleRules;

namespace Noisy.Core;

/// <summary>Another schedule with a floor; made by <see cref="Schedule.ClampMin"/>.</summary>
internal sealed record ClampMinSchedule : Schedule
{
    internal ClampMinSchedule(Schedule inner, double floor)
    {
        Check("clampMin", NotNegative("floor", floor), NotTooDeep(inner));
        (Inner, Floor, Depth) = (inner, floor, inner.Depth + 1);
    }

    /// <summary>The schedule without the floor.</summary>
    public Schedule Inner { get; }

    /// <summary>Least value; finite and ≥ 0.</summary>
    public double Floor { get; }

    internal override int Depth { get; }

    /// <inheritdoc/>
    protected internal override double ValueAt(long update) => Math.Max(Floor, Inner.ValueAt(update));

    /// <inheritdoc/>
    protected internal override string Text => $"{Inner.Text} | clampMin({ScheduleText.Format(Floor)})";
}
