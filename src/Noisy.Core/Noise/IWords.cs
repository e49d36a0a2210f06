namespace Noisy.Core;

/// <summary>
/// As many 32-bit words as TLanes has numbers, made for multiplication: each word is the low half of a 64-bit lane, where
/// its product has room, the words of even number in one vector and those of odd number in another.
/// </summary>
/// <remarks>The high halves hold anything, and nothing reads them but <see cref="High"/>.</remarks>
internal interface IWords<TSelf, TLanes>
    where TSelf : struct, IWords<TSelf, TLanes>
    where TLanes : struct, ILanes<TLanes>, IBitLanes<TLanes>
{
    /// <summary>first, first + 1, first + 2 …, modulo 2³².</summary>
    static abstract TSelf From(uint first);

    static abstract implicit operator TSelf(uint word);

    /// <summary>Exclusive or of two and of a word for all; the first is the one that is waited for.</summary>
    static abstract TSelf Xor(TSelf a, TSelf b, ref readonly ulong word);

    /// <summary>64-bit products; as words, the low halves of the products.</summary>
    static abstract TSelf Product(TSelf a, TSelf b);

    /// <summary>The high halves of products.</summary>
    static abstract TSelf High(TSelf product);

    /// <summary>The words in order of their numbers.</summary>
    TLanes Pack();
}
