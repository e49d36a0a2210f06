using static Noisy.Core.ScheduleRules;

namespace Noisy.Core;

/// <summary>Another schedule with a ceiling; made by <see cref="Schedule.ClampMax"/>.</summary>
internal sealed record ClampMaxSchedule : Schedule
{
    internal ClampMaxSchedule(Schedule inner, double ceiling)
    {
        Check("clampMax", NotNegative("ceiling", ceiling), NotTooDeep(inner));
        (Inner, Ceiling, Depth) = (inner, ceiling, inner.Depth + 1);
    }

    /// <summary>The schedule without the ceiling.</summary>
    public Schedule Inner { get; }

    /// <summary>Greatest value; finite and ≥ 0.</summary>
    public double Ceiling { get; }

    internal override int Depth { get; }

    /// <inheritdoc/>
    protected internal override double ValueAt(long update) => Math.Min(Ceiling, Inner.ValueAt(update));

    /// <inheritdoc/>
    protected internal override string Text => $"{Inner.Text} | clampMax({ScheduleText.Format(Ceiling)})";
}
