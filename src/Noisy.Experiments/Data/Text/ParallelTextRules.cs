namespace Noisy.Experiments;

/// <summary>Which pairs of a parallel text are kept.</summary>
/// <param name="MaxLength">Pairs of which a side has this many words or more are left out; 0 keeps all. The reference takes 50.</param>
/// <param name="EmptyIsError">Whether a pair with an empty side is an error; default false: it is left out and counted.</param>
public sealed record ParallelTextRules(int MaxLength = 0, bool EmptyIsError = false)
{
    /// <summary>All pairs but those with an empty side.</summary>
    public static ParallelTextRules Default { get; } = new();
}
