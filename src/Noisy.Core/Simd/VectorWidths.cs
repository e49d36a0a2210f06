using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Noisy.Core;

/// <summary>Chooses the vector width.</summary>
internal static class VectorWidths
{
    /// <summary>The widest vector that this machine does in hardware.</summary>
    /// <remarks>.NET does not count Vector512 as accelerated on the first generations of AVX-512; these kernels gain there too.</remarks>
    public static VectorWidth Best { get; } =
        Vector512.IsHardwareAccelerated || Avx512F.IsSupported ? VectorWidth.Bits512
        : Vector256.IsHardwareAccelerated ? VectorWidth.Bits256
        : Vector128.IsHardwareAccelerated ? VectorWidth.Bits128
        : VectorWidth.Scalar;

    /// <summary>The width itself, or <see cref="Best"/> for <see cref="VectorWidth.Auto"/>.</summary>
    /// <param name="width">A wish; one that the hardware lacks is emulated, slowly but with the same bits.</param>
    /// <returns>A definite width.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="width"/> is none of the named values.</exception>
    public static VectorWidth Resolve(VectorWidth width)
    {
        if (!Enum.IsDefined(width)) throw new ArgumentOutOfRangeException(nameof(width), width, "must be one of the named widths");
        return width == VectorWidth.Auto ? Best : width;
    }
}
