using System.Diagnostics;
using Noisy.Core;

namespace Noisy.Models;

/// <summary>What this machine does at best, and where the fused engine's time goes: the measures of a benchmark.</summary>
internal static unsafe class EngineBenchmark
{
    // At 512 bits panel and rows fill most of a first-level cache of 32 KB, and no more.
    private const int Depth = 128;

    // Far beyond any last-level cache.
    private const long CopyFloats = 1 << 24;

    /// <summary>Rate of the engine's innermost loop on operands that stay in the first-level cache: the ceiling of every
    /// product.</summary>
    /// <param name="threads">Threads that multiply at the same time, ≥ 1.</param>
    /// <param name="seconds">How long to try, &gt; 0; the best of many short runs counts.</param>
    /// <returns>10⁹ floating-point operations a second, all threads together; a multiply-add is two.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is not positive.</exception>
    public static double TileGflops(int threads, double seconds)
    {
        Check(threads, seconds);
        return VectorWidths.Resolve(FusedEngine.Width) switch
        {
            VectorWidth.Bits512 => Tile<Lanes16, Count8>(threads, seconds),
            VectorWidth.Bits256 => Tile<Lanes8, Count4>(threads, seconds),
            VectorWidth.Bits128 => Tile<Lanes4, Count4>(threads, seconds),
            _ => Tile<Lanes1, Count4>(threads, seconds),
        };
    }

    /// <summary>Rate of copying memory that no cache holds.</summary>
    /// <param name="threads">Threads that copy at the same time, ≥ 1.</param>
    /// <param name="seconds">How long to try, &gt; 0; the best copy counts.</param>
    /// <returns>10⁹ bytes a second, read and written ones added, all threads together.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is not positive.</exception>
    public static double CopyGigabytes(int threads, double seconds)
    {
        Check(threads, seconds);
        using var from = new NativeBuffer(CopyFloats);
        using var to = new NativeBuffer(CopyFloats);
        return 1e-9 * Best(seconds, 2.0 * CopyFloats * sizeof(float), () => ThreadTeam.Shared.Run(threads, member =>
        {
            var (first, end) = member.Share(1 << 15);
            const long piece = CopyFloats >> 15;
            new ReadOnlySpan<float>(from.Start + (first * piece), (int)((end - first) * piece))
                .CopyTo(new Span<float>(to.Start + (first * piece), (int)((end - first) * piece)));
        }));
    }

    /// <summary>Time in which the threads of a team meet: how far apart their cores are.</summary>
    /// <param name="threads">Threads, ≥ 1.</param>
    /// <param name="seconds">How long to try, &gt; 0; the best of many short runs counts.</param>
    /// <returns>10⁻⁹ seconds.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is not positive.</exception>
    public static double BarrierNanoseconds(int threads, double seconds)
    {
        Check(threads, seconds);
        const int barriers = 5_000;
        return 1e9 / Best(seconds, barriers, () => ThreadTeam.Shared.Run(threads, member =>
        {
            for (var i = 0; i < barriers; i++) member.Barrier();
        }));
    }

    /// <summary>Begins to time the engine's parts, from zero.</summary>
    public static void StartProfile()
    {
        EngineProfile.Take();
        EngineProfile.IsOn = true;
    }

    /// <summary>Ends what <see cref="StartProfile"/> began.</summary>
    /// <returns>Seconds that the calling thread spent on each part, in the order of the work; parts that did not occur are
    /// left out.</returns>
    public static IReadOnlyList<(string Stage, double Seconds)> StopProfile()
    {
        EngineProfile.IsOn = false;
        return [.. EngineProfile.Take().Where(p => p.Value > 0).OrderBy(p => p.Key).Select(p => (p.Key.ToString(), p.Value))];
    }

    private static void Check(int threads, double seconds)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(seconds);
    }

    private static double Tile<V, TRows>(int threads, double seconds)
        where V : struct, ILanes<V>
        where TRows : struct, ICount
    {
        const int times = 2000;
        var (rows, columns) = (TRows.Value, 3 * V.Count);
        using var room = new NativeBuffer((long)threads * (rows + columns) * (Depth + MatrixTile.MaxRows));
        var own = room.Length / threads / 16 * 16;
        return 1e-9 * Best(seconds, 2.0 * rows * columns * Depth * times * threads, () => ThreadTeam.Shared.Run(threads, member =>
        {
            var b = room.Start + (member.Index * own);
            var a = b + (columns * Depth);
            var c = a + (rows * Depth);
            for (var i = 0; i < times; i++)
                MatrixTile.Multiply<V, TRows, Count3, RowMajor>(a, Depth, b, columns, Depth, c, columns, V.Count, null, 0, a, 0);
        }));
    }

    /// <summary>Amount over the time of the shortest run.</summary>
    private static double Best(double seconds, double amount, Action run)
    {
        run();
        var (start, best) = (Stopwatch.GetTimestamp(), double.MaxValue);
        do
        {
            var before = Stopwatch.GetTimestamp();
            run();
            best = Math.Min(best, Stopwatch.GetElapsedTime(before).TotalSeconds);
        }
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds);
        return amount / best;
    }
}
