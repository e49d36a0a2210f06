namespace Noisy.Core;

/// <summary>The rules that the parameters of schedules obey; each gives null or the sentence of the broken rule.</summary>
internal static class ScheduleRules
{
    internal static string? NotNegative(string name, double value) =>
        double.IsFinite(value) && value >= 0 ? null : $"{name} is {ScheduleText.Format(value)}: must be finite and >= 0";

    internal static string? Positive(string name, long value) =>
        value >= 1 ? null : $"{name} is {ScheduleText.Format(value)}: must be >= 1";

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
