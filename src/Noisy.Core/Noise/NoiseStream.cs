namespace Noisy.Core;

/// <summary>The draws of one key at one update and time step; element 0, 1, 2 … are addressed freely.</summary>
/// <param name="Key">Whose draws.</param>
/// <param name="Update">Optimiser update, ≥ 0.</param>
/// <param name="TimeStep">Position in the sequence, ≥ 0.</param>
public readonly record struct NoiseStream(NoiseKey Key, long Update, int TimeStep)
{
    /// <summary>Elements are numbered in groups of this many; sixteen consecutive ones take the same word of sixteen
    /// consecutive counters, so that a vector of lanes is a vector of counters.</summary>
    internal const int Group = 64;

    /// <summary>Elements of a stream: counters have 32 bits, and four words each.</summary>
    internal const long Elements = 1L << 34;

    /// <summary>The random word of one element: the specification that every vector form follows.</summary>
    /// <param name="element">Element number, 0 ≤ element &lt; 2³⁴.</param>
    /// <returns>A word uniform over 32 bits.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    public uint Word(long element)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(element);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(element, Elements);
        var block = (uint)((element / Group * 16) + (element % 16));
        var words = Philox.Block(Key.K0, Key.K1, block, (uint)TimeStep, (uint)Update, (uint)(Update >> 32));
        return (element / 16 % 4) switch { 0 => words.W0, 1 => words.W1, 2 => words.W2, _ => words.W3 };
    }

    /// <summary>An integer drawn uniformly, for generated examples.</summary>
    /// <param name="bound">How many numbers there are, ≥ 1.</param>
    /// <param name="element">Element number, 0 ≤ element &lt; 2³⁴.</param>
    /// <returns>⌊word · bound / 2³²⌋, in [0, bound); no number is more likely than another by more than 2⁻³².</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bound"/> is below 1, or there is no such element.</exception>
    public int Below(int bound, long element)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bound, 1);
        return (int)(((ulong)Word(element) * (ulong)bound) >> 32);
    }
}
