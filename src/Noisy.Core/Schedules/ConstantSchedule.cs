using static Noisy.Core.ScheduleRules;

namespace Noisy.Core;

/// <summary>The same value at every update; made by <see cref="Schedule.Constant"/>.</summary>
internal sealed record ConstantSchedule : Schedule
{
    internal ConstantSchedule(double value)
    {
        Check("constant", NotNegative("value", value));
        Value = value;
    }

    /// <summary>The value; finite and ≥ 0.</summary>
    public double Value { get; }

    /// <inheritdoc/>
    protected internal override double ValueAt(long update) => Value;

    /// <inheritdoc/>
    protected internal override string Text => ScheduleText.Format(Value);
}
