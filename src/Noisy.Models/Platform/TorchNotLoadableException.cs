namespace Noisy.Models;

/// <summary>libtorch cannot be used on this machine; the message says why and what to do, in one sentence. Exit code 1.</summary>
/// <param name="message">What is wrong, where, and the remedy.</param>
/// <param name="inner">The loader's own exception, where there is one.</param>
public sealed class TorchNotLoadableException(string message, Exception? inner = null) : NoisyException(message, 1, inner);
