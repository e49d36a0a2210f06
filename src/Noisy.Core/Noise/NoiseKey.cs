namespace Noisy.Core;

/// <summary>
/// An address in the tree of all random numbers: a seed and the path of children that leads here. Two different paths give
/// unrelated numbers; the same path gives the same numbers on every machine, in whatever order they are requested.
/// </summary>
/// <param name="K0">First word of the Philox key.</param>
/// <param name="K1">Second word of the Philox key.</param>
/// <example>Noise of one site of one layer, at update 12 and time step 3:
/// <code>
/// var site = NoiseKey.FromSeed(1).Child("noise").Child(layer).Child(gate);
/// NoiseSampler.Normal(site.At(update: 12, timeStep: 3), firstElement: 0, destination);
/// </code></example>
public readonly record struct NoiseKey(uint K0, uint K1)
{
    // Draws keep the fourth counter word below 2³¹, so this value belongs to the derivation of children alone.
    private const uint ChildTag = 0xFFFFFFFF;

    /// <summary>The root of a seed's tree.</summary>
    /// <param name="seed">The user's seed; any value.</param>
    public static NoiseKey FromSeed(long seed) => new((uint)(ulong)seed, (uint)((ulong)seed >> 32));

    /// <summary>The key of a numbered child.</summary>
    /// <param name="index">Number of the child, from 0.</param>
    public NoiseKey Child(uint index) => Derive(index, 0, 0);

    /// <summary>The key of a named child.</summary>
    /// <param name="name">Name of the child, such as "noise" or "dropout"; case matters.</param>
    public NoiseKey Child(string name)
    {
        // FNV-1a over the UTF-16 code units, high byte included: stable across runtimes, unlike string.GetHashCode.
        var hash = 0xCBF29CE484222325UL;
        foreach (var unit in name)
        {
            hash = (hash ^ (byte)unit) * 0x100000001B3UL;
            hash = (hash ^ (byte)(unit >> 8)) * 0x100000001B3UL;
        }

        return Derive((uint)hash, (uint)(hash >> 32), 1);
    }

    /// <summary>The draws of this key at one time step of one update.</summary>
    /// <param name="update">Optimiser update, from 0; below 2⁶³.</param>
    /// <param name="timeStep">Position in the sequence, or number of the call within the update; from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">Either is negative.</exception>
    public NoiseStream At(long update, int timeStep)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(update);
        ArgumentOutOfRangeException.ThrowIfNegative(timeStep);
        return new(this, update, timeStep);
    }

    private NoiseKey Derive(uint low, uint high, uint kind)
    {
        var (w0, w1, _, _) = Philox.Block(K0, K1, low, high, kind, ChildTag);
        return new(w0, w1);
    }
}
