namespace Noisy.Models;

/// <summary>Training diverged: a loss or gradient is not finite. Exit code 4.</summary>
/// <param name="message">Update, learning rate, noise scale and norms at that update.</param>
public sealed class DivergedException(string message) : NoisyException(message, 4, null);
