using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>One number; the tail of every loop, and the scalar form.</summary>
internal partial struct Lanes1(float value) : ILanes<Lanes1>
{
    private float value = value;

    public static int Count => 1;

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 Load(ref readonly float source, nuint offset) => new(Unsafe.Add(ref Unsafe.AsRef(in source), offset));

    [MethodImpl(AggressiveInlining)]
    public readonly void Store(ref float destination, nuint offset) => Unsafe.Add(ref destination, offset) = value;

    [MethodImpl(AggressiveInlining)]
    public static implicit operator Lanes1(float value) => new(value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator +(Lanes1 a, Lanes1 b) => new(a.value + b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator -(Lanes1 a, Lanes1 b) => new(a.value - b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator *(Lanes1 a, Lanes1 b) => new(a.value * b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator /(Lanes1 a, Lanes1 b) => new(a.value / b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator &(Lanes1 a, Lanes1 b) => FromBits(a.Integer & b.Integer);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator |(Lanes1 a, Lanes1 b) => FromBits(a.Integer | b.Integer);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator ^(Lanes1 a, Lanes1 b) => FromBits(a.Integer ^ b.Integer);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator <(Lanes1 a, Lanes1 b) => Mask(a.value < b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator >(Lanes1 a, Lanes1 b) => Mask(a.value > b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator <=(Lanes1 a, Lanes1 b) => Mask(a.value <= b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 operator >=(Lanes1 a, Lanes1 b) => Mask(a.value >= b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 MultiplyAdd(Lanes1 a, Lanes1 b, Lanes1 c) => new(MathF.FusedMultiplyAdd(a.value, b.value, c.value));

    [MethodImpl(AggressiveInlining)]
    public void AddProduct(Lanes1 a, Lanes1 b) => value = MathF.FusedMultiplyAdd(a.value, b.value, value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 Sqrt(Lanes1 a) => new(MathF.Sqrt(a.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 Select(Lanes1 mask, Lanes1 a, Lanes1 b) => mask.Integer != 0 ? a : b;

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 Without(Lanes1 mask, Lanes1 a) => mask.Integer != 0 ? 0f : a;

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 WithoutBelow(Lanes1 w, float bound, Lanes1 a) => w.value < bound ? 0f : a;

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 Greater(Lanes1 a, Lanes1 b) => a.value > b.value ? a : b;

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 Equal(Lanes1 a, Lanes1 b) => Mask(a.value == b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 Clamp(Lanes1 a, float low, float high) => a.value < low ? low : a.value > high ? high : a;

    [MethodImpl(AggressiveInlining)]
    public static Lanes1 PowerOfTwo(Lanes1 shifted) => FromBits((shifted.Integer << 23) + 0x3F800000);

    private readonly int Integer
    {
        [MethodImpl(AggressiveInlining)]
        get => BitConverter.SingleToInt32Bits(value);
    }

    [MethodImpl(AggressiveInlining)]
    private static Lanes1 FromBits(int bits) => new(BitConverter.Int32BitsToSingle(bits));

    [MethodImpl(AggressiveInlining)]
    private static Lanes1 Mask(bool set) => FromBits(set ? -1 : 0);
}

/// <summary>Four numbers in a Vector128.</summary>
internal partial struct Lanes4(Vector128<float> value) : ILanes<Lanes4>
{
    private Vector128<float> value = value;

    public static int Count => 4;

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 Load(ref readonly float source, nuint offset) => new(Vector128.LoadUnsafe(in source, offset));

    [MethodImpl(AggressiveInlining)]
    public readonly void Store(ref float destination, nuint offset) => value.StoreUnsafe(ref destination, offset);

    [MethodImpl(AggressiveInlining)]
    public static implicit operator Lanes4(float value) => new(Vector128.Create(value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator +(Lanes4 a, Lanes4 b) => new(a.value + b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator -(Lanes4 a, Lanes4 b) => new(a.value - b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator *(Lanes4 a, Lanes4 b) => new(a.value * b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator /(Lanes4 a, Lanes4 b) => new(a.value / b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator &(Lanes4 a, Lanes4 b) => new(a.value & b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator |(Lanes4 a, Lanes4 b) => new(a.value | b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator ^(Lanes4 a, Lanes4 b) => new(a.value ^ b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator <(Lanes4 a, Lanes4 b) => new(Vector128.LessThan(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator >(Lanes4 a, Lanes4 b) => new(Vector128.GreaterThan(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator <=(Lanes4 a, Lanes4 b) => new(Vector128.LessThanOrEqual(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 operator >=(Lanes4 a, Lanes4 b) => new(Vector128.GreaterThanOrEqual(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 MultiplyAdd(Lanes4 a, Lanes4 b, Lanes4 c) => new(Vector128.FusedMultiplyAdd(a.value, b.value, c.value));

    [MethodImpl(AggressiveInlining)]
    public void AddProduct(Lanes4 a, Lanes4 b) => value = Vector128.FusedMultiplyAdd(a.value, b.value, value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 Sqrt(Lanes4 a) => new(Vector128.Sqrt(a.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 Select(Lanes4 mask, Lanes4 a, Lanes4 b) => new(
        Sse41.IsSupported ? Sse41.BlendVariable(b.value, a.value, mask.value) : Vector128.ConditionalSelect(mask.value, a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 Without(Lanes4 mask, Lanes4 a) => new(Vector128.AndNot(a.value, mask.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 WithoutBelow(Lanes4 w, float bound, Lanes4 a) => Without(w < bound, a);

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 Greater(Lanes4 a, Lanes4 b) => Sse.IsSupported ? new(Sse.Max(a.value, b.value)) : Select(a > b, a, b); // x86: the same bits

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 Equal(Lanes4 a, Lanes4 b) => new(Vector128.Equals(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 Clamp(Lanes4 a, float low, float high) =>
        new(Vector128.MinNative(Vector128.MaxNative(a.value, Vector128.Create(low)), Vector128.Create(high)));

    [MethodImpl(AggressiveInlining)]
    public static Lanes4 PowerOfTwo(Lanes4 shifted) =>
        new(((shifted.value.AsInt32() << 23) + Vector128.Create(0x3F800000)).AsSingle());
}

/// <summary>Eight numbers in a Vector256.</summary>
internal partial struct Lanes8(Vector256<float> value) : ILanes<Lanes8>
{
    private Vector256<float> value = value;

    public static int Count => 8;

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 Load(ref readonly float source, nuint offset) => new(Vector256.LoadUnsafe(in source, offset));

    [MethodImpl(AggressiveInlining)]
    public readonly void Store(ref float destination, nuint offset) => value.StoreUnsafe(ref destination, offset);

    [MethodImpl(AggressiveInlining)]
    public static implicit operator Lanes8(float value) => new(Vector256.Create(value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator +(Lanes8 a, Lanes8 b) => new(a.value + b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator -(Lanes8 a, Lanes8 b) => new(a.value - b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator *(Lanes8 a, Lanes8 b) => new(a.value * b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator /(Lanes8 a, Lanes8 b) => new(a.value / b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator &(Lanes8 a, Lanes8 b) => new(a.value & b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator |(Lanes8 a, Lanes8 b) => new(a.value | b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator ^(Lanes8 a, Lanes8 b) => new(a.value ^ b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator <(Lanes8 a, Lanes8 b) => new(Vector256.LessThan(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator >(Lanes8 a, Lanes8 b) => new(Vector256.GreaterThan(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator <=(Lanes8 a, Lanes8 b) => new(Vector256.LessThanOrEqual(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 operator >=(Lanes8 a, Lanes8 b) => new(Vector256.GreaterThanOrEqual(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 MultiplyAdd(Lanes8 a, Lanes8 b, Lanes8 c) => new(Vector256.FusedMultiplyAdd(a.value, b.value, c.value));

    [MethodImpl(AggressiveInlining)]
    public void AddProduct(Lanes8 a, Lanes8 b) => value = Vector256.FusedMultiplyAdd(a.value, b.value, value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 Sqrt(Lanes8 a) => new(Vector256.Sqrt(a.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 Select(Lanes8 mask, Lanes8 a, Lanes8 b) => new(
        Avx.IsSupported ? Avx.BlendVariable(b.value, a.value, mask.value) : Vector256.ConditionalSelect(mask.value, a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 Without(Lanes8 mask, Lanes8 a) => new(Vector256.AndNot(a.value, mask.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 WithoutBelow(Lanes8 w, float bound, Lanes8 a) => Without(w < bound, a);

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 Greater(Lanes8 a, Lanes8 b) => Avx.IsSupported ? new(Avx.Max(a.value, b.value)) : Select(a > b, a, b); // x86: the same bits

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 Equal(Lanes8 a, Lanes8 b) => new(Vector256.Equals(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 Clamp(Lanes8 a, float low, float high) =>
        new(Vector256.MinNative(Vector256.MaxNative(a.value, Vector256.Create(low)), Vector256.Create(high)));

    [MethodImpl(AggressiveInlining)]
    public static Lanes8 PowerOfTwo(Lanes8 shifted) =>
        new(((shifted.value.AsInt32() << 23) + Vector256.Create(0x3F800000)).AsSingle());
}

/// <summary>Sixteen numbers in a Vector512.</summary>
internal partial struct Lanes16(Vector512<float> value) : ILanes<Lanes16>
{
    private Vector512<float> value = value;

    public static int Count => 16;

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 Load(ref readonly float source, nuint offset) => new(Vector512.LoadUnsafe(in source, offset));

    [MethodImpl(AggressiveInlining)]
    public readonly void Store(ref float destination, nuint offset) => value.StoreUnsafe(ref destination, offset);

    [MethodImpl(AggressiveInlining)]
    public static implicit operator Lanes16(float value) => new(Vector512.Create(value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator +(Lanes16 a, Lanes16 b) => new(a.value + b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator -(Lanes16 a, Lanes16 b) => new(a.value - b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator *(Lanes16 a, Lanes16 b) => new(a.value * b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator /(Lanes16 a, Lanes16 b) => new(a.value / b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator &(Lanes16 a, Lanes16 b) => new(a.value & b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator |(Lanes16 a, Lanes16 b) => new(a.value | b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator ^(Lanes16 a, Lanes16 b) => new(a.value ^ b.value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator <(Lanes16 a, Lanes16 b) => new(Vector512.LessThan(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator >(Lanes16 a, Lanes16 b) => new(Vector512.GreaterThan(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator <=(Lanes16 a, Lanes16 b) => new(Vector512.LessThanOrEqual(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 operator >=(Lanes16 a, Lanes16 b) => new(Vector512.GreaterThanOrEqual(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 MultiplyAdd(Lanes16 a, Lanes16 b, Lanes16 c) => new(Vector512.FusedMultiplyAdd(a.value, b.value, c.value));

    [MethodImpl(AggressiveInlining)]
    public void AddProduct(Lanes16 a, Lanes16 b) => value = Vector512.FusedMultiplyAdd(a.value, b.value, value);

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 Sqrt(Lanes16 a) => new(Vector512.Sqrt(a.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 Select(Lanes16 mask, Lanes16 a, Lanes16 b) => new(Vector512.ConditionalSelect(mask.value, a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 Without(Lanes16 mask, Lanes16 a) => new(Vector512.AndNot(a.value, mask.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 WithoutBelow(Lanes16 w, float bound, Lanes16 a) =>
        new(Vector512.ConditionalSelect(Vector512.LessThan(w.value, Vector512.Create(bound)), Vector512<float>.Zero, a.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 Greater(Lanes16 a, Lanes16 b) => Avx512F.IsSupported ? new(Avx512F.Max(a.value, b.value)) : Select(a > b, a, b); // x86: the same bits

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 Equal(Lanes16 a, Lanes16 b) => new(Vector512.Equals(a.value, b.value));

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 Clamp(Lanes16 a, float low, float high) =>
        new(Vector512.MinNative(Vector512.MaxNative(a.value, Vector512.Create(low)), Vector512.Create(high)));

    [MethodImpl(AggressiveInlining)]
    public static Lanes16 PowerOfTwo(Lanes16 shifted) =>
        new(((shifted.value.AsInt32() << 23) + Vector512.Create(0x3F800000)).AsSingle());
}
