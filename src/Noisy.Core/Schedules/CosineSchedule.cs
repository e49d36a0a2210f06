using static Noisy.Core.ScheduleRules;

namespace Noisy.Core;

/// <summary>Half a cosine from start to end, then constant, or from start again; made by <see cref="Schedule.Cosine"/> and
/// <see cref="Schedule.WarmRestarts"/>.</summary>
internal sealed record CosineSchedule : Schedule
{
    internal CosineSchedule(double start, double end, long updates, long? growth)
    {
        Check(growth is null ? "cosine" : "warmRestarts", NotNegative("start", start), NotNegative("end", end), Positive("updates", updates),
            growth is null ? null : Positive("growth", growth.Value));
        (Start, End, Updates, Growth) = (start, end, updates, growth ?? 0);
    }

    /// <summary>Value at update 0; finite and ≥ 0.</summary>
    public double Start { get; }

    /// <summary>Value that the cosine falls or rises to; finite and ≥ 0.</summary>
    public double End { get; }

    /// <summary>Length of the first half wave in updates; ≥ 1.</summary>
    public long Updates { get; }

    /// <summary>How many times as long each half wave is as the one before, ≥ 1; 0 if there is only one.</summary>
    public long Growth { get; }

    /// <inheritdoc/>
    protected internal override double ValueAt(long update)
    {
        var (at, length) = (update, Updates);
        if (Growth == 1)
        {
            at = update % length;
        }
        else if (Growth > 1)
        {
            while (at >= length)
            {
                at -= length;
                length = length > long.MaxValue / Growth ? long.MaxValue : length * Growth;
            }
        }

        if (at >= length) return End;
        return Math.Clamp(End + ((Start - End) * 0.5 * (1 + Math.Cos(Math.PI * at / length))), Math.Min(Start, End), Math.Max(Start, End));
    }

    /// <inheritdoc/>
    protected internal override string Text => Growth == 0
        ? $"cosine({ScheduleText.Format(Start)}, {ScheduleText.Format(End)}, {ScheduleText.Format(Updates)})"
        : $"warmRestarts({ScheduleText.Format(Start)}, {ScheduleText.Format(End)}, {ScheduleText.Format(Updates)}, {ScheduleText.Format(Growth)})";
}
