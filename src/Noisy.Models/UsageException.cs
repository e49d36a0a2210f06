namespace Noisy.Models;

/// <summary>Wrong usage: an unknown option, an impossible config, an output folder that cannot be used. Exit code 2.</summary>
/// <param name="message">What is wrong and how to fix it.</param>
/// <param name="inner">The cause, if another exception was.</param>
public sealed class UsageException(string message, Exception? inner = null) : NoisyException(message, 2, inner);
