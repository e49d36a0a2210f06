using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>Two registers side by side, every operation done on both.</summary>
/// <remarks>
/// A formula here is one long chain of operations that wait for each other, longer than a processor looks ahead. Two chains in
/// turns fill the time in which one of them waits.
/// </remarks>
internal struct LanePair<V>(V first, V second) : ILanes<LanePair<V>>
    where V : struct, ILanes<V>
{
    private V first = first;
    private V second = second;

    public static int Count => 2 * V.Count;

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> Load(ref readonly float source, nuint offset) =>
        new(V.Load(in source, offset), V.Load(in source, offset + (nuint)V.Count));

    [MethodImpl(AggressiveInlining)]
    public readonly void Store(ref float destination, nuint offset)
    {
        first.Store(ref destination, offset);
        second.Store(ref destination, offset + (nuint)V.Count);
    }

    [MethodImpl(AggressiveInlining)]
    public static implicit operator LanePair<V>(float value) => new(value, value);

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> operator +(LanePair<V> a, LanePair<V> b) => new(a.first + b.first, a.second + b.second);

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> operator -(LanePair<V> a, LanePair<V> b) => new(a.first - b.first, a.second - b.second);

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> operator *(LanePair<V> a, LanePair<V> b) => new(a.first * b.first, a.second * b.second);

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> operator /(LanePair<V> a, LanePair<V> b) => new(a.first / b.first, a.second / b.second);

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> operator &(LanePair<V> a, LanePair<V> b) => new(a.first & b.first, a.second & b.second);

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> operator |(LanePair<V> a, LanePair<V> b) => new(a.first | b.first, a.second | b.second);

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> operator ^(LanePair<V> a, LanePair<V> b) => new(a.first ^ b.first, a.second ^ b.second);

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> operator <(LanePair<V> a, LanePair<V> b) => new(a.first < b.first, a.second < b.second);

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> operator >(LanePair<V> a, LanePair<V> b) => new(a.first > b.first, a.second > b.second);

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> operator <=(LanePair<V> a, LanePair<V> b) => new(a.first <= b.first, a.second <= b.second);

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> operator >=(LanePair<V> a, LanePair<V> b) => new(a.first >= b.first, a.second >= b.second);

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> MultiplyAdd(LanePair<V> a, LanePair<V> b, LanePair<V> c) =>
        new(V.MultiplyAdd(a.first, b.first, c.first), V.MultiplyAdd(a.second, b.second, c.second));

    [MethodImpl(AggressiveInlining)]
    public void AddProduct(LanePair<V> a, LanePair<V> b)
    {
        first.AddProduct(a.first, b.first);
        second.AddProduct(a.second, b.second);
    }

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> Sqrt(LanePair<V> a) => new(V.Sqrt(a.first), V.Sqrt(a.second));

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> Select(LanePair<V> mask, LanePair<V> a, LanePair<V> b) =>
        new(V.Select(mask.first, a.first, b.first), V.Select(mask.second, a.second, b.second));

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> Equal(LanePair<V> a, LanePair<V> b) => new(V.Equal(a.first, b.first), V.Equal(a.second, b.second));

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> Clamp(LanePair<V> a, float low, float high) => new(V.Clamp(a.first, low, high), V.Clamp(a.second, low, high));

    [MethodImpl(AggressiveInlining)]
    public static LanePair<V> PowerOfTwo(LanePair<V> shifted) => new(V.PowerOfTwo(shifted.first), V.PowerOfTwo(shifted.second));
}
