using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>Multiplication of 32 by 32 bits to 64: each machine's instruction, or halves of the vector, or plain
/// arithmetic.</summary>
internal static class LowHalves
{
    /// <summary>Products of the low halves of 64-bit lanes; the high halves do not matter.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static Vector512<ulong> Product(Vector512<ulong> a, Vector512<ulong> b) => Avx512F.IsSupported
        ? Avx512F.Multiply(a.AsUInt32(), b.AsUInt32())
        : Vector512.Create(Product(a.GetLower(), b.GetLower()), Product(a.GetUpper(), b.GetUpper()));

    /// <inheritdoc cref="Product(Vector512{ulong}, Vector512{ulong})"/>
    [MethodImpl(AggressiveInlining)]
    internal static Vector256<ulong> Product(Vector256<ulong> a, Vector256<ulong> b) => Avx2.IsSupported
        ? Avx2.Multiply(a.AsUInt32(), b.AsUInt32())
        : Vector256.Create(Product(a.GetLower(), b.GetLower()), Product(a.GetUpper(), b.GetUpper()));

    /// <inheritdoc cref="Product(Vector512{ulong}, Vector512{ulong})"/>
    [MethodImpl(AggressiveInlining)]
    internal static Vector128<ulong> Product(Vector128<ulong> a, Vector128<ulong> b) =>
        Sse2.IsSupported ? Sse2.Multiply(a.AsUInt32(), b.AsUInt32())
        : AdvSimd.IsSupported
            ? AdvSimd.MultiplyWideningLower(AdvSimd.ExtractNarrowingLower(a), AdvSimd.ExtractNarrowingLower(b))
            : Masked(a) * Masked(b);

    /// <summary>The low halves of one vector's lanes and the high halves of another's.</summary>
    [MethodImpl(AggressiveInlining)]
    internal static Vector512<ulong> Merge(Vector512<ulong> low, Vector512<ulong> high) =>
        Vector512.ConditionalSelect(Vector512.Create(0xFFFFFFFFUL), low, high);

    /// <inheritdoc cref="Merge(Vector512{ulong}, Vector512{ulong})"/>
    [MethodImpl(AggressiveInlining)]
    internal static Vector256<ulong> Merge(Vector256<ulong> low, Vector256<ulong> high) => Avx2.IsSupported
        ? Avx2.Blend(low.AsUInt32(), high.AsUInt32(), 0xAA).AsUInt64()
        : Vector256.ConditionalSelect(Vector256.Create(0xFFFFFFFFUL), low, high);

    /// <inheritdoc cref="Merge(Vector512{ulong}, Vector512{ulong})"/>
    [MethodImpl(AggressiveInlining)]
    internal static Vector128<ulong> Merge(Vector128<ulong> low, Vector128<ulong> high) => Avx2.IsSupported
        ? Avx2.Blend(low.AsUInt32(), high.AsUInt32(), 0b1010).AsUInt64()
        : Vector128.ConditionalSelect(Vector128.Create(0xFFFFFFFFUL), low, high);

    private static Vector128<ulong> Masked(Vector128<ulong> a) => a & Vector128.Create(0xFFFFFFFFUL);
}
