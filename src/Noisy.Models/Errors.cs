namespace Noisy.Models;

/// <summary>An error that its user can mend: the message says what, where and what to do. Programs print it alone.</summary>
/// <param name="message">One sentence or two, for the user.</param>
/// <param name="exitCode">What a script ends with.</param>
/// <param name="inner">The cause, if another exception was.</param>
public abstract class NoisyException(string message, int exitCode, Exception? inner) : Exception(message, inner)
{
    /// <summary>Exit code of a script that meets this error.</summary>
    public int ExitCode { get; } = exitCode;
}

/// <summary>Wrong usage: an unknown option, an impossible config, an output folder that cannot be used. Exit code 2.</summary>
/// <param name="message">What is wrong and how to mend it.</param>
/// <param name="inner">The cause, if another exception was.</param>
public sealed class UsageException(string message, Exception? inner = null) : NoisyException(message, 2, inner);

/// <summary>Data are missing or damaged. Exit code 3.</summary>
/// <param name="message">Which file, what is wrong with it and how to mend it.</param>
/// <param name="inner">The cause, if another exception was.</param>
public sealed class DataException(string message, Exception? inner = null) : NoisyException(message, 3, inner);

/// <summary>Training diverged: a loss or gradient is not finite. Exit code 4.</summary>
/// <param name="message">Update, learning rate, noise scale and norms at that moment.</param>
public sealed class DivergedException(string message) : NoisyException(message, 4, null);
