namespace Noisy.Core;

/// <summary>Divides memory into parts that lie one after another.</summary>
/// <param name="start">Where the first part begins; the memory is as long as all parts together.</param>
internal unsafe ref struct BufferParts(float* start)
{
    private float* next = start;

    /// <summary>Takes the next part.</summary>
    /// <param name="length">Floats, ≥ 0.</param>
    /// <returns>Where it begins.</returns>
    internal float* Take(long length)
    {
        var taken = next;
        next += length;
        return taken;
    }
}
