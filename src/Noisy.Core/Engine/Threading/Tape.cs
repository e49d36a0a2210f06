namespace Noisy.Core;

/// <summary>What a forward pass leaves for its backward pass, in one piece of memory.</summary>
internal abstract unsafe class Tape : IDisposable
{
    private NativeBuffer? buffer;

    /// <summary>Gives the memory back. Where nobody calls this, the buffer's own finaliser frees it: one here could hand on a
    /// buffer that is being freed.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref buffer, null) is { } owned) BufferPool.Return(owned);
    }

    /// <summary>Gets the tape's memory, with any content; called once.</summary>
    /// <param name="length">Floats of all parts together.</param>
    private protected BufferParts Rent(long length)
    {
        buffer = BufferPool.Rent(length);
        return new(buffer.Start);
    }
}
