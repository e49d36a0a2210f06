namespace Noisy.Core;

/// <summary>
/// One or several single-precision numbers in a register. Formulas are written once over this contract, so every width does
/// the same IEEE operations in the same order and gives the same bits.
/// </summary>
/// <remarks>
/// Comparisons give masks: all bits of a lane set or none. There is no estimate and no contraction: what is fused says so.
/// <see cref="Greater"/> is the only maximum, and says what it makes of NaN and of zeros, which differs between machines' own.
/// </remarks>
internal interface ILanes<TSelf>
    where TSelf : struct, ILanes<TSelf>
{
    static abstract int Count { get; }

    static abstract TSelf Load(ref readonly float source, nuint offset);

    void Store(ref float destination, nuint offset);

    static abstract implicit operator TSelf(float value);

    static abstract TSelf operator +(TSelf a, TSelf b);

    static abstract TSelf operator -(TSelf a, TSelf b);

    static abstract TSelf operator *(TSelf a, TSelf b);

    static abstract TSelf operator /(TSelf a, TSelf b);

    static abstract TSelf operator &(TSelf a, TSelf b);

    static abstract TSelf operator |(TSelf a, TSelf b);

    static abstract TSelf operator ^(TSelf a, TSelf b);

    static abstract TSelf operator <(TSelf a, TSelf b);

    static abstract TSelf operator >(TSelf a, TSelf b);

    static abstract TSelf operator <=(TSelf a, TSelf b);

    static abstract TSelf operator >=(TSelf a, TSelf b);

    /// <summary>a · b + c, rounded once.</summary>
    static abstract TSelf MultiplyAdd(TSelf a, TSelf b, TSelf c);

    /// <summary>Adds a · b to this, rounded once: what <see cref="MultiplyAdd"/> gives, in place. For the sums of a tile: there the compiler
    /// writes one instruction, where it adds a copy to an assignment of the whole struct.</summary>
    void AddProduct(TSelf a, TSelf b);

    static abstract TSelf Sqrt(TSelf a);

    /// <summary>Where the mask is set a, else b.</summary>
    static abstract TSelf Select(TSelf mask, TSelf a, TSelf b);

    /// <summary>Where the mask is set 0, else a.</summary>
    static abstract TSelf Without(TSelf mask, TSelf a);

    /// <summary>Where w is less than the bound 0, else a. Comparison and selection are one operation: a mask that is kept becomes a vector at 512 bits.</summary>
    static abstract TSelf WithoutBelow(TSelf w, float bound, TSelf a);

    /// <summary>a where it is greater than b, else b: so b where one of them is NaN, and where both are zero.</summary>
    static abstract TSelf Greater(TSelf a, TSelf b);

    /// <summary>Mask: the same number.</summary>
    static abstract TSelf Equal(TSelf a, TSelf b);

    /// <summary>a between two bounds; a is a number, since what becomes of NaN differs between machines.</summary>
    static abstract TSelf Clamp(TSelf a, float low, float high);

    /// <summary>2ⁿ from n + 1.5 · 2²³, for n in −126..127.</summary>
    static abstract TSelf PowerOfTwo(TSelf shifted);
}
