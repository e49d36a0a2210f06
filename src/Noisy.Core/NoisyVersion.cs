namespace Noisy.Core;

/// <summary>The library's version.</summary>
internal static class NoisyVersion
{
    /// <summary>Semantic version of the assembly, for logs and summaries.</summary>
    public static string Current { get; } = typeof(NoisyVersion).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";
}
