namespace Noisy.Models;

/// <summary>libtorch cannot be used on this machine; the message says why and what to do, in one sentence.</summary>
public sealed class TorchNotLoadableException : Exception
{
    /// <summary>An exception with its sentence.</summary>
    /// <param name="message">What is wrong, where, and the remedy.</param>
    /// <param name="inner">The loader's own exception, where there is one.</param>
    public TorchNotLoadableException(string message, Exception? inner = null) : base(message, inner) { }
}
