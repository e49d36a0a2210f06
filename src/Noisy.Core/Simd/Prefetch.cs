using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Noisy.Core;

/// <summary>Prefetches memory; does nothing on processors for which .NET has no such instruction.</summary>
internal static unsafe class Prefetch
{
    /// <summary>Brings a line into the first-level cache. The address may be any; nothing is read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Line(float* at)
    {
        if (Sse.IsSupported) Sse.Prefetch0(at);
    }

    /// <summary>Brings a line into the second-level cache. The address may be any; nothing is read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Far(float* at)
    {
        if (Sse.IsSupported) Sse.Prefetch1(at);
    }
}
