using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Data are missing or damaged. Exit code 3.</summary>
/// <param name="message">Which file, what is wrong with it and how to fix it.</param>
/// <param name="inner">The cause, if another exception was.</param>
public sealed class DataException(string message, Exception? inner = null) : NoisyException(message, 3, inner);
