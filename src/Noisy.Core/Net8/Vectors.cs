using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>What .NET's vectors have gained since version 8, under the same names and with the same bits.</summary>
internal static class Vectors
{
    extension(Vector128)
    {
        /// <summary>a · b + c, rounded once.</summary>
        [MethodImpl(AggressiveInlining)]
        internal static Vector128<float> FusedMultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) =>
            Fma.IsSupported ? Fma.MultiplyAdd(a, b, c)
            : AdvSimd.IsSupported ? AdvSimd.FusedMultiplyAdd(c, a, b)
            : Vector128.Create(One(a, b, c, 0), One(a, b, c, 1), One(a, b, c, 2), One(a, b, c, 3));

        /// <summary>The smaller one, as the processor has it.</summary>
        [MethodImpl(AggressiveInlining)]
        internal static Vector128<float> MinNative(Vector128<float> a, Vector128<float> b) => Vector128.Min(a, b);

        /// <summary>The greater one, as the processor has it.</summary>
        [MethodImpl(AggressiveInlining)]
        internal static Vector128<float> MaxNative(Vector128<float> a, Vector128<float> b) => Vector128.Max(a, b);
    }

    extension(Vector256)
    {
        /// <summary>a · b + c, rounded once.</summary>
        [MethodImpl(AggressiveInlining)]
        internal static Vector256<float> FusedMultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) =>
            Fma.IsSupported ? Fma.MultiplyAdd(a, b, c) : Vector256.Create(
                Vector128.FusedMultiplyAdd(a.GetLower(), b.GetLower(), c.GetLower()),
                Vector128.FusedMultiplyAdd(a.GetUpper(), b.GetUpper(), c.GetUpper()));

        /// <summary>The smaller one, as the processor has it.</summary>
        [MethodImpl(AggressiveInlining)]
        internal static Vector256<float> MinNative(Vector256<float> a, Vector256<float> b) => Vector256.Min(a, b);

        /// <summary>The greater one, as the processor has it.</summary>
        [MethodImpl(AggressiveInlining)]
        internal static Vector256<float> MaxNative(Vector256<float> a, Vector256<float> b) => Vector256.Max(a, b);
    }

    extension(Vector512)
    {
        /// <summary>a · b + c, rounded once.</summary>
        [MethodImpl(AggressiveInlining)]
        internal static Vector512<float> FusedMultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
            Avx512F.IsSupported ? Avx512F.FusedMultiplyAdd(a, b, c) : Vector512.Create(
                Vector256.FusedMultiplyAdd(a.GetLower(), b.GetLower(), c.GetLower()),
                Vector256.FusedMultiplyAdd(a.GetUpper(), b.GetUpper(), c.GetUpper()));

        /// <summary>The smaller one, as the processor has it.</summary>
        [MethodImpl(AggressiveInlining)]
        internal static Vector512<float> MinNative(Vector512<float> a, Vector512<float> b) => Vector512.Min(a, b);

        /// <summary>The greater one, as the processor has it.</summary>
        [MethodImpl(AggressiveInlining)]
        internal static Vector512<float> MaxNative(Vector512<float> a, Vector512<float> b) => Vector512.Max(a, b);
    }

    private static float One(Vector128<float> a, Vector128<float> b, Vector128<float> c, int lane) =>
        MathF.FusedMultiplyAdd(a[lane], b[lane], c[lane]);
}
