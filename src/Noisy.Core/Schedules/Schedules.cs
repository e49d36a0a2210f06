using static Noisy.Core.ScheduleRules;

namespace Noisy.Core;

/// <summary>The same value at every update; made by <see cref="Schedule.Constant"/>.</summary>
public sealed record ConstantSchedule : Schedule
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
    protected internal override string Text => ScheduleText.Of(Value);
}

/// <summary>start / √(t + 1); made by <see cref="Schedule.InverseSqrt"/>.</summary>
public sealed record InverseSqrtSchedule : Schedule
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
    protected internal override string Text => $"inverseSqrt({ScheduleText.Of(Start)})";
}

/// <summary>A straight line, then constant; made by <see cref="Schedule.Linear"/>.</summary>
public sealed record LinearSchedule : Schedule
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
        $"linear({ScheduleText.Of(Start)}, {ScheduleText.Of(End)}, {ScheduleText.Of(Updates)})";
}

/// <summary>start · factorᵗ; made by <see cref="Schedule.Exponential"/>.</summary>
public sealed record ExponentialSchedule : Schedule
{
    internal ExponentialSchedule(double start, double factor)
    {
        Check("exponential", NotNegative("start", start),
            factor > 0 && factor <= 1 ? null : $"factor is {ScheduleText.Of(factor)}: must be above 0 and at most 1");
        (Start, Factor) = (start, factor);
    }

    /// <summary>Value at update 0; finite and ≥ 0.</summary>
    public double Start { get; }

    /// <summary>Ratio of a value to the one before; above 0 and at most 1.</summary>
    public double Factor { get; }

    /// <inheritdoc/>
    protected internal override double ValueAt(long update) => Start * Math.Pow(Factor, update);

    /// <inheritdoc/>
    protected internal override string Text => $"exponential({ScheduleText.Of(Start)}, {ScheduleText.Of(Factor)})";
}

/// <summary>A staircase of another schedule; made by <see cref="Schedule.Every"/>.</summary>
public sealed record EverySchedule : Schedule
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
    protected internal override string Text => $"{Inner.Text} | every({ScheduleText.Of(Updates)})";
}

/// <summary>Another schedule with a floor; made by <see cref="Schedule.ClampMin"/>.</summary>
public sealed record ClampMinSchedule : Schedule
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
    protected internal override string Text => $"{Inner.Text} | clampMin({ScheduleText.Of(Floor)})";
}

/// <summary>Another schedule with a ceiling; made by <see cref="Schedule.ClampMax"/>.</summary>
public sealed record ClampMaxSchedule : Schedule
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
    protected internal override string Text => $"{Inner.Text} | clampMax({ScheduleText.Of(Ceiling)})";
}

/// <summary>One schedule, then another; made by <see cref="Schedule.Then"/>.</summary>
public sealed record ThenSchedule : Schedule
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
    protected internal override string Text => $"{First.Text} | then({ScheduleText.Of(Update)}, {Next.Text})";
}

/// <summary>The rules that the parameters of schedules obey; each gives null or the sentence of the broken rule.</summary>
internal static class ScheduleRules
{
    internal static string? NotNegative(string name, double value) =>
        double.IsFinite(value) && value >= 0 ? null : $"{name} is {ScheduleText.Of(value)}: must be finite and >= 0";

    internal static string? Positive(string name, long value) =>
        value >= 1 ? null : $"{name} is {ScheduleText.Of(value)}: must be >= 1";

    // A value is computed by as many calls, one within the other: a stack that is full ends the process.
    internal static string? NotTooDeep(Schedule inner) =>
        inner.Depth < Schedule.MaxDepth ? null : $"more than {Schedule.MaxDepth} changes are nested";

    internal static void Check(string schedule, params ReadOnlySpan<string?> rules)
    {
        var broken = new List<string>();
        foreach (var rule in rules)
            if (rule is not null) broken.Add($"{schedule}: {rule}");
        if (broken.Count > 0) throw new InvalidSpecException(broken);
    }
}
