namespace Noisy.Core;

/// <summary>Lanes whose bits can be taken for 32-bit integers: what turning random words into numbers needs.</summary>
internal interface IBitLanes<TSelf>
    where TSelf : struct, IBitLanes<TSelf>
{
    /// <summary>The same bits in every lane.</summary>
    static abstract TSelf Bits(uint bits);

    /// <summary>Sum of the lanes as integers.</summary>
    static abstract TSelf AddBits(TSelf a, TSelf b);

    /// <summary>The lanes as integers, moved to higher places.</summary>
    static abstract TSelf operator <<(TSelf a, int places);

    /// <summary>The lanes as signed integers, moved to lower places.</summary>
    static abstract TSelf operator >>(TSelf a, int places);

    /// <summary>The lanes as unsigned integers, moved to lower places.</summary>
    static abstract TSelf operator >>>(TSelf a, int places);

    /// <summary>The numbers that the lanes are as signed integers; exact below 2²⁴.</summary>
    static abstract TSelf FromIntegers(TSelf bits);

    /// <summary>Whether the mask is set in any lane.</summary>
    static abstract bool Any(TSelf mask);
}
