using static Noisy.Core.ScheduleRules;

namespace Noisy.Core;

/// <summary>start · factorᵗ; made by <see cref="Schedule.Exponential"/>.</summary>
internal sealed record ExponentialSchedule : Schedule
{
    internal ExponentialSchedule(double start, double factor)
    {
        Check("exponential", NotNegative("start", start),
            factor > 0 && factor <= 1 ? null : $"factor is {ScheduleText.Format(factor)}: must be above 0 and at most 1");
        (Start, Factor) = (start, factor);
    }

    /// <summary>Value at update 0; finite and ≥ 0.</summary>
    public double Start { get; }

    /// <summary>Ratio of a value to the one before; above 0 and at most 1.</summary>
    public double Factor { get; }

    /// <inheritdoc/>
    protected internal override double ValueAt(long update) => Start * Math.Pow(Factor, update);

    /// <inheritdoc/>
    protected internal override string Text => $"exponential({ScheduleText.Format(Start)}, {ScheduleText.Format(Factor)})";
}
