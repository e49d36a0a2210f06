using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>The Philox4x32-10 counter-based generator: a keyed bijection of 128-bit counters, without state.</summary>
/// <remarks>
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. The tests hold it to the
/// known answers that the Random123 library publishes.
/// </remarks>
internal static class Philox
{
    internal const uint Multiplier0 = 0xD2511F53, Multiplier1 = 0xCD9E8D57;
    internal const uint Weyl0 = 0x9E3779B9, Weyl1 = 0xBB67AE85;
    internal const int Rounds = 10;

    /// <summary>Four random words for one counter.</summary>
    /// <param name="k0">First key word.</param>
    /// <param name="k1">Second key word.</param>
    /// <param name="c0">First counter word, the fastest.</param>
    /// <param name="c1">Second counter word.</param>
    /// <param name="c2">Third counter word.</param>
    /// <param name="c3">Fourth counter word.</param>
    /// <returns>Four words, each uniform over 32 bits.</returns>
    public static (uint W0, uint W1, uint W2, uint W3) Block(uint k0, uint k1, uint c0, uint c1, uint c2, uint c3)
    {
        for (var round = 0; round < Rounds; round++)
        {
            var a = (ulong)Multiplier0 * c0;
            var b = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(b >> 32) ^ c1 ^ k0, (uint)b, (uint)(a >> 32) ^ c3 ^ k1, (uint)a);
            k0 += Weyl0;
            k1 += Weyl1;
        }

        return (c0, c1, c2, c3);
    }

    /// <summary>The keys of all rounds, those of the first and of the second multiplication in turns.</summary>
    /// <param name="k0">First key word.</param>
    /// <param name="k1">Second key word.</param>
    /// <param name="keys">Receives <see cref="KeyCount"/> words.</param>
    internal static void RoundKeys(uint k0, uint k1, Span<ulong> keys)
    {
        for (var round = 0; round < Rounds; round++, k0 += Weyl0, k1 += Weyl1) (keys[2 * round], keys[(2 * round) + 1]) = (k0, k1);
    }

    /// <summary>Words of <see cref="RoundKeys"/>.</summary>
    internal const int KeyCount = 2 * Rounds;

    /// <summary>The blocks of consecutive counters, a lane each: the first word of every block, then the second, …</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (W W0, W W1, W W2, W W3) Blocks<W, V>(ref readonly ulong keys, uint firstC0, uint c1, uint c2, uint c3)
        where W : struct, IWords<W, V>
        where V : struct, ILanes<V>, IBitLanes<V>
    {
        W x0 = W.From(firstC0), x1 = c1, x2 = c2, x3 = c3, multiplier0 = Multiplier0, multiplier1 = Multiplier1;

        // Two rounds a turn, so that no word changes its register.
        for (var key = 0; key < KeyCount; key += 4)
        {
            var a = W.Product(x0, multiplier0);
            var b = W.Product(x2, multiplier1);
            var y0 = W.Xor(W.High(b), x1, in keys);
            var y2 = W.Xor(W.High(a), x3, in Unsafe.Add(ref Unsafe.AsRef(in keys), 1));
            x3 = W.Product(y0, multiplier0);
            x1 = W.Product(y2, multiplier1);
            x0 = W.Xor(W.High(x1), b, in Unsafe.Add(ref Unsafe.AsRef(in keys), 2));
            x2 = W.Xor(W.High(x3), a, in Unsafe.Add(ref Unsafe.AsRef(in keys), 3));
            keys = ref Unsafe.Add(ref Unsafe.AsRef(in keys), 4);
        }

        return (x0, x1, x2, x3);
    }
}
