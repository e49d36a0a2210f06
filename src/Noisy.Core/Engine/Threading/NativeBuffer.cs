using System.Runtime.InteropServices;

namespace Noisy.Core;

/// <summary>Single-precision memory outside the garbage collector's heap, aligned to a cache line; on Linux in huge pages
/// where the system allows them, because a walk through large weights otherwise misses the address cache at every row.</summary>
internal sealed unsafe class NativeBuffer : IDisposable
{
    private const nuint Line = 64, HugePage = 1 << 21;

    /// <summary>Floats beyond the end that may be read or written, so that kernels can handle whole vectors.</summary>
    internal const int Slack = 64;

    /// <summary>Allocates memory full of zeros.</summary>
    /// <param name="length">Floats, ≥ 0.</param>
    internal NativeBuffer(long length)
    {
        Length = length;
        var bytes = (nuint)(length + Slack) * sizeof(float);
        Start = (float*)NativeMemory.AlignedAlloc(bytes, bytes >= HugePage ? HugePage : Line);
        if (bytes >= HugePage) HugePages.Advise(Start, bytes);
        NativeMemory.Clear(Start, bytes);
        GC.AddMemoryPressure((long)bytes);
    }

    /// <summary>Frees the memory of a buffer that nobody disposed.</summary>
    ~NativeBuffer() => Free();

    internal float* Start { get; private set; }

    internal long Length { get; }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (Start == null) return;
        NativeMemory.AlignedFree(Start);
        Start = null;
        GC.RemoveMemoryPressure((Length + Slack) * sizeof(float));
    }
}

/// <summary>Asks the system for huge pages; silent where there are none.</summary>
internal static unsafe partial class HugePages
{
    private const int AdviseHuge = 14, AdviseCollapse = 25;
    private const nuint Page = 4096, HugePage = 1 << 21;
    private static bool available = OperatingSystem.IsLinux();

    /// <summary>Advises that a range be backed by huge pages; what is touched later is.</summary>
    /// <param name="start">First byte.</param>
    /// <param name="bytes">Length.</param>
    internal static void Advise(void* start, nuint bytes) => Ask(start, bytes, AdviseHuge);

    /// <summary>Moves memory that is in use already into huge pages, as far as whole ones fit.</summary>
    /// <param name="start">First byte.</param>
    /// <param name="bytes">Length.</param>
    internal static void Collapse(void* start, nuint bytes)
    {
        Ask(start, bytes, AdviseHuge);
        var first = ((nuint)start + HugePage - 1) / HugePage * HugePage;
        var last = ((nuint)start + bytes) / HugePage * HugePage;
        if (last > first) Ask((void*)first, last - first, AdviseCollapse);
    }

    private static void Ask(void* start, nuint bytes, int advice)
    {
        if (!available) return;
        var first = ((nuint)start + Page - 1) / Page * Page;
        var last = ((nuint)start + bytes) / Page * Page;
        if (last <= first) return;
        try
        {
            _ = MAdvise((void*)first, last - first, advice); // refused: ordinary pages do as well
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            available = false;
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MAdvise(void* start, nuint length, int advice);
}

/// <summary>Buffers that wait for their next use: a training loop needs the same sizes at every update.</summary>
internal static class BufferPool
{
    // A decoder keeps two tapes a step. What was not needed for so many rents, some tens of updates of a decoder and hundreds of a layer, is of a size
    // that came once.
    private const int MaxWaiting = 256, MaxRents = 10_000;
    private static readonly List<(NativeBuffer Buffer, long Since)> Waiting = []; // by the number of rents when it came back
    private static readonly Lock Gate = new();
    private static long rents;

    /// <summary>A buffer of at least a length, with any content.</summary>
    internal static NativeBuffer Rent(long length)
    {
        lock (Gate)
        {
            rents++;
            var best = -1;
            for (var i = 0; i < Waiting.Count; i++)
            {
                var size = Waiting[i].Buffer.Length;
                if (size >= length && size <= (2 * length) + 1024 && (best < 0 || size < Waiting[best].Buffer.Length)) best = i;
            }

            if (best >= 0)
            {
                var found = Waiting[best].Buffer;
                Waiting.RemoveAt(best);
                return found;
            }
        }

        return new NativeBuffer(length);
    }

    /// <summary>Takes a buffer back; those that have waited long go, and the longest-waiting one if there are many.</summary>
    internal static void Return(NativeBuffer buffer)
    {
        NativeBuffer[] old;
        lock (Gate)
        {
            Waiting.Add((buffer, rents));
            var count = Math.Max(Waiting.FindIndex(w => rents - w.Since <= MaxRents), Waiting.Count - MaxWaiting); // the last one is new
            old = count <= 0 ? [] : [.. Waiting.Take(count).Select(w => w.Buffer)];
            Waiting.RemoveRange(0, old.Length);
        }

        foreach (var unused in old) unused.Dispose();
    }
}
