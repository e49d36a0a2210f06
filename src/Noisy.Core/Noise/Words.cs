using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>Four words.</summary>
internal readonly struct Words4(Vector128<ulong> even, Vector128<ulong> odd) : IWords<Words4, Lanes4>
{
    private readonly Vector128<ulong> even = even;
    private readonly Vector128<ulong> odd = odd;

    [MethodImpl(AggressiveInlining)]
    public static Words4 From(uint first) =>
        new(
            Vector128.Create((ulong)first) + Vector128.Create(0UL, 2),
            Vector128.Create((ulong)first) + Vector128.Create(1UL, 3));

    [MethodImpl(AggressiveInlining)]
    public static implicit operator Words4(uint word) => new(Vector128.Create((ulong)word), Vector128.Create((ulong)word));

    [MethodImpl(AggressiveInlining)]
    public static Words4 Xor(Words4 a, Words4 b, ref readonly ulong word)
    {
        var key = Vector128.Create(word);
        return new(a.even ^ (b.even ^ key), a.odd ^ (b.odd ^ key));
    }

    [MethodImpl(AggressiveInlining)]
    public static Words4 Product(Words4 a, Words4 b) =>
        new(LowHalves.Product(a.even, b.even), LowHalves.Product(a.odd, b.odd));

    [MethodImpl(AggressiveInlining)]
    public static Words4 High(Words4 product) => new(product.even >>> 32, product.odd >>> 32);

    [MethodImpl(AggressiveInlining)]
    public Lanes4 Pack() =>
        new(LowHalves.Merge(even, odd << 32).AsSingle());
}

/// <summary>Eight words.</summary>
internal readonly struct Words8(Vector256<ulong> even, Vector256<ulong> odd) : IWords<Words8, Lanes8>
{
    private readonly Vector256<ulong> even = even;
    private readonly Vector256<ulong> odd = odd;

    [MethodImpl(AggressiveInlining)]
    public static Words8 From(uint first) =>
        new(
            Vector256.Create((ulong)first) + Vector256.Create(0UL, 2, 4, 6),
            Vector256.Create((ulong)first) + Vector256.Create(1UL, 3, 5, 7));

    [MethodImpl(AggressiveInlining)]
    public static implicit operator Words8(uint word) => new(Vector256.Create((ulong)word), Vector256.Create((ulong)word));

    [MethodImpl(AggressiveInlining)]
    public static Words8 Xor(Words8 a, Words8 b, ref readonly ulong word)
    {
        var key = Vector256.Create(word);
        return new(a.even ^ (b.even ^ key), a.odd ^ (b.odd ^ key));
    }

    [MethodImpl(AggressiveInlining)]
    public static Words8 Product(Words8 a, Words8 b) =>
        new(LowHalves.Product(a.even, b.even), LowHalves.Product(a.odd, b.odd));

    [MethodImpl(AggressiveInlining)]
    public static Words8 High(Words8 product) => new(product.even >>> 32, product.odd >>> 32);

    [MethodImpl(AggressiveInlining)]
    public Lanes8 Pack() =>
        new(LowHalves.Merge(even, odd << 32).AsSingle());
}

/// <summary>Sixteen words.</summary>
internal readonly struct Words16(Vector512<ulong> even, Vector512<ulong> odd) : IWords<Words16, Lanes16>
{
    private readonly Vector512<ulong> even = even;
    private readonly Vector512<ulong> odd = odd;

    [MethodImpl(AggressiveInlining)]
    public static Words16 From(uint first) =>
        new(
            Vector512.Create((ulong)first) + Vector512.Create(0UL, 2, 4, 6, 8, 10, 12, 14),
            Vector512.Create((ulong)first) + Vector512.Create(1UL, 3, 5, 7, 9, 11, 13, 15));

    [MethodImpl(AggressiveInlining)]
    public static implicit operator Words16(uint word) => new(Vector512.Create((ulong)word), Vector512.Create((ulong)word));

    [MethodImpl(AggressiveInlining)]
    public static Words16 Xor(Words16 a, Words16 b, ref readonly ulong word)
    {
        var key = Vector512.Create(word);
        return new(a.even ^ (b.even ^ key), a.odd ^ (b.odd ^ key));
    }

    [MethodImpl(AggressiveInlining)]
    public static Words16 Product(Words16 a, Words16 b) =>
        new(LowHalves.Product(a.even, b.even), LowHalves.Product(a.odd, b.odd));

    [MethodImpl(AggressiveInlining)]
    public static Words16 High(Words16 product) => new(product.even >>> 32, product.odd >>> 32);

    [MethodImpl(AggressiveInlining)]
    public Lanes16 Pack() =>
        new(LowHalves.Merge(even, odd << 32).AsSingle());
}
