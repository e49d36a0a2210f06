namespace Noisy.Models;

/// <summary>An error that its user can fix: the message says what, where and what to do. Programs print it alone.</summary>
/// <param name="message">One sentence or two, for the user.</param>
/// <param name="exitCode">What a script ends with.</param>
/// <param name="inner">The cause, if another exception was.</param>
public abstract class NoisyException(string message, int exitCode, Exception? inner) : Exception(message, inner)
{
    /// <summary>Exit code of a script that meets this error.</summary>
    public int ExitCode { get; } = exitCode;
}
