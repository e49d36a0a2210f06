using static Noisy.Core.ScheduleRules;

namespace Noisy.Core;

/// <summary>start / √(t + 1); made by <see cref="Schedule.InverseSqrt"/>.</summary>
internal sealed record InverseSqrtSchedule : Schedule
{
    internal InverseSqrtSchedule(double start)
    {
        Check("inverseSqrt", NotNegative("start", start));
        Start = start;
    }

    /// <summary>Value at update 0; finite and ≥ 0.</summary>
    public double Start { get; }

    /// <inheritdoc/>
    protected internal override double ValueAt(long update) => Start / Math.Sqrt(update + 1.0);

    /// <inheritdoc/>
    protected internal override string Text => $"inverseSqrt({ScheduleText.Format(Start)})";
}
