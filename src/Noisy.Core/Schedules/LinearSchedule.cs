using static Noisy.Core.ScheduleRules;

namespace Noisy.Core;

/// <summary>A straight line, then constant; made by <see cref="Schedule.Linear"/>.</summary>
internal sealed record LinearSchedule : Schedule
{
    internal LinearSchedule(double start, double end, long updates)
    {
        Check("linear", NotNegative("start", start), NotNegative("end", end), Positive("updates", updates));
        (Start, End, Updates) = (start, end, updates);
    }

    /// <summary>Value at update 0; finite and ≥ 0.</summary>
    public double Start { get; }

    /// <summary>Value from update <see cref="Updates"/> on; finite and ≥ 0.</summary>
    public double End { get; }

    /// <summary>Length of the slope in updates; ≥ 1.</summary>
    public long Updates { get; }

    /// <inheritdoc/>
    protected internal override double ValueAt(long update) =>
        update >= Updates
            ? End
            : Math.Clamp(Start + (End - Start) * ((double)update / Updates), Math.Min(Start, End), Math.Max(Start, End));

    /// <inheritdoc/>
    protected internal override string Text =>
        $"linear({ScheduleText.Format(Start)}, {ScheduleText.Format(End)}, {ScheduleText.Format(Updates)})";
}
