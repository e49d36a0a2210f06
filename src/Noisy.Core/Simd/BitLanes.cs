using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <content>The bits of one number.</content>
internal partial struct Lanes1 : IBitLanes<Lanes1>
{
    [MethodImpl(AggressiveInlining)]
    public static Lanes1 Bits(uint bits) => new(BitConverter.UInt32BitsToSingle(bits));

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 AddBits(Lanes1 a, Lanes1 b) => FromBits(unchecked(a.Integer + b.Integer));

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator <<(Lanes1 a, int places) => FromBits(a.Integer << places);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator >>(Lanes1 a, int places) => FromBits(a.Integer >> places);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator >>>(Lanes1 a, int places) => FromBits(a.Integer >>> places);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 FromIntegers(Lanes1 bits) => new(bits.Integer);

    [MethodImpl(AggressiveInlining)]
    public static bool Any(Lanes1 mask) => mask.Integer < 0;
}

/// <content>The bits of four numbers.</content>
internal partial struct Lanes4 : IBitLanes<Lanes4>
{
    [MethodImpl(AggressiveInlining)]
    public static Lanes4 Bits(uint bits) => new(Vector128.Create(bits).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 AddBits(Lanes4 a, Lanes4 b) => new((a.value.AsInt32() + b.value.AsInt32()).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator <<(Lanes4 a, int places) => new((a.value.AsInt32() << places).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator >>(Lanes4 a, int places) => new((a.value.AsInt32() >> places).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator >>>(Lanes4 a, int places) => new((a.value.AsInt32() >>> places).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 FromIntegers(Lanes4 bits) => new(Vector128.ConvertToSingle(bits.value.AsInt32()));

    [MethodImpl(AggressiveInlining)]
    public static bool Any(Lanes4 mask) => mask.value.ExtractMostSignificantBits() != 0;
}

/// <content>The bits of eight numbers.</content>
internal partial struct Lanes8 : IBitLanes<Lanes8>
{
    [MethodImpl(AggressiveInlining)]
    public static Lanes8 Bits(uint bits) => new(Vector256.Create(bits).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 AddBits(Lanes8 a, Lanes8 b) => new((a.value.AsInt32() + b.value.AsInt32()).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator <<(Lanes8 a, int places) => new((a.value.AsInt32() << places).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator >>(Lanes8 a, int places) => new((a.value.AsInt32() >> places).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator >>>(Lanes8 a, int places) => new((a.value.AsInt32() >>> places).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 FromIntegers(Lanes8 bits) => new(Vector256.ConvertToSingle(bits.value.AsInt32()));

    [MethodImpl(AggressiveInlining)]
    public static bool Any(Lanes8 mask) => mask.value.ExtractMostSignificantBits() != 0;
}

/// <content>The bits of sixteen numbers.</content>
internal partial struct Lanes16 : IBitLanes<Lanes16>
{
    [MethodImpl(AggressiveInlining)]
    public static Lanes16 Bits(uint bits) => new(Vector512.Create(bits).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 AddBits(Lanes16 a, Lanes16 b) => new((a.value.AsInt32() + b.value.AsInt32()).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator <<(Lanes16 a, int places) => new((a.value.AsInt32() << places).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator >>(Lanes16 a, int places) => new((a.value.AsInt32() >> places).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator >>>(Lanes16 a, int places) => new((a.value.AsInt32() >>> places).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 FromIntegers(Lanes16 bits) => new(Vector512.ConvertToSingle(bits.value.AsInt32()));

    [MethodImpl(AggressiveInlining)]
    public static bool Any(Lanes16 mask) => mask.value.ExtractMostSignificantBits() != 0;
}
