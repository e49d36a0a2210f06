using System.Runtime.CompilerServices;
using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>
/// Memory for a parameter's gradient. Fused functions write there and make it the parameter's <c>grad</c>; it serves from update to
/// update, as long as nobody else holds it. A gradient that is handed to torch instead is copied into a new tensor at every update.
/// </summary>
/// <remarks>
/// <para>Only for backward passes that add to the <c>grad</c> of every leaf (<see cref="TorchInternals.AccumulatesIntoLeaves"/>). What
/// <c>grad</c> holds decides whether a gradient is added or written: null it, zero it, scale it or replace it as with torch.</para>
/// <para>torch counts what its operations change, but not what is written through <c>data</c> or <c>bytes</c>. So whether the other rows
/// are zeros is checked before it is relied on, unless nobody else could write: an optimiser that owns the gradients says so.</para>
/// </remarks>
internal sealed unsafe class GradientMemory
{
    private static readonly ConditionalWeakTable<Parameter, GradientMemory> Known = [];
    private static long made;

    private readonly long number = Interlocked.Increment(ref made);
    private readonly Lock gate = new();
    private readonly SortedSet<int> rows = [];
    private Tensor? memory;
    private float* start; // its first float
    private bool rowsOnly; // all but some rows are zeros, as far as torch's count of changes tells
    private bool unseen; // nobody could write there since the engine's own optimiser took the gradient away
    private uint? version; // of the memory when it was last written here
    private long weight; // bytes of the memory, as the garbage collector knows them

    ~GradientMemory() => Weigh(0);

    /// <summary>The memory of a parameter.</summary>
    internal static GradientMemory For(Parameter parameter) => Known.GetValue(parameter, static _ => new GradientMemory());

    /// <summary>Keeps other threads from the memory of some parameters.</summary>
    internal static Hold Take(IEnumerable<GradientMemory> memories) => new([.. memories.Distinct().OrderBy(m => m.number)]);

    /// <summary>Where the whole gradient of a parameter goes.</summary>
    /// <returns>Null if it is torch's to add: then there is a <c>grad</c> of another kind.</returns>
    internal GradientTarget? Whole(Parameter parameter)
    {
        using var current = parameter.grad;
        if (current is not null && !IsMine(current)) return Foreign(current);
        if (current is null) Begin(parameter);
        else TorchInternals.Changed(memory!);
        rowsOnly = unseen = false;
        return new GradientTarget { At = start, Add = current is not null };
    }

    /// <summary>Where gradients of some rows go, to be added; the other rows are zeros, or hold what was added before.</summary>
    /// <param name="parameter">The parameter, [V, E].</param>
    /// <param name="touched">The rows.</param>
    /// <returns>The first row of all; null if it is torch's to add.</returns>
    internal GradientTarget? Rows(Parameter parameter, IEnumerable<int> touched)
    {
        using var current = parameter.grad;
        if (current is not null && !IsMine(current)) return Foreign(current);
        if (current is null)
        {
            Begin(parameter);
            ClearRows(trusted: unseen);
        }
        else
        {
            Changed(current, keepsZeros: true);
        }

        unseen = false;
        if (rowsOnly) rows.UnionWith(touched);
        return new GradientTarget { At = start, Add = true };
    }

    /// <summary>The rows that may differ from zero, if the gradient is this memory and holds nothing but rows; else null.</summary>
    /// <param name="gradient">The parameter's <c>grad</c>.</param>
    /// <param name="trusted">Whether nobody but the engine wrote there; else the other rows are checked.</param>
    internal IReadOnlyCollection<int>? RowsOf(Tensor gradient, bool trusted)
    {
        if (!IsMine(gradient) || !HoldsRows) return null;
        if (trusted || OthersAreZeros()) return rows;
        rowsOnly = false;
        return null;
    }

    /// <summary>Fills a parameter's gradient with zeros.</summary>
    /// <param name="gradient">The parameter's <c>grad</c>.</param>
    internal void Zero(Tensor gradient)
    {
        if (IsMine(gradient) && gradient.dim() > 0) ClearRows(trusted: false);
        else gradient.zero_();
    }

    /// <summary>Tells that the engine has changed a gradient.</summary>
    /// <param name="gradient">The parameter's <c>grad</c>.</param>
    /// <param name="keepsZeros">Whether rows that were zeros still are, or are named later.</param>
    internal void Changed(Tensor gradient, bool keepsZeros)
    {
        var kept = keepsZeros && IsMine(gradient) && HoldsRows;
        TorchInternals.Changed(gradient);
        if (kept) version = TorchInternals.Version(memory!);
        else rowsOnly = false;
    }

    /// <summary>Tells that the parameter has no gradient any more, and that nobody but the engine wrote into its memory.</summary>
    internal void Release() => unseen = true;

    /// <summary>A gradient that others made: written to directly where that is what torch would do.</summary>
    private static GradientTarget? Foreign(Tensor gradient)
    {
        if (!FusedEngine.TakesInPlace(gradient) || gradient.requires_grad) return null;
        TorchInternals.Changed(gradient);
        return new GradientTarget { At = FusedEngine.Pointer(gradient), Add = true };
    }

    /// <summary>Whether torch has changed nothing since all but some rows were zeros.</summary>
    private bool HoldsRows => rowsOnly && version is not null && TorchInternals.Version(memory!) == version;

    private long Width => memory!.numel() / Math.Max(1, memory.shape[0]);

    private bool IsMine(Tensor gradient) => memory is not null && FusedEngine.TakesInPlace(gradient) && FusedEngine.Pointer(gradient) == start;

    /// <summary>Makes the memory the parameter's gradient, whatever it holds.</summary>
    private void Begin(Parameter parameter)
    {
        if (memory is null || !memory.shape.AsSpan().SequenceEqual(parameter.shape) || TorchInternals.IsShared(memory))
        {
            using var outside = is_inference_mode_enabled() ? inference_mode(false) : null; // it serves later passes too
            using var _ = no_grad();
            var fresh = empty_like(parameter).DetachFromDisposeScope();
            start = FusedEngine.Pointer(fresh);
            memory?.Dispose();
            memory = fresh;
            Weigh(fresh.numel() * sizeof(float));
            HugePages.Advise(start, (nuint)memory.numel() * sizeof(float));
            rowsOnly = false;
        }

        parameter.grad = memory;
    }

    /// <summary>Tells the garbage collector how much memory it frees with this: TorchSharp makes a new <see cref="Parameter"/>, and so this a new
    /// memory, each time that a module of torch's is asked for its weight.</summary>
    private void Weigh(long bytes)
    {
        if (weight > 0) GC.RemoveMemoryPressure(weight);
        if (bytes > 0) GC.AddMemoryPressure(bytes);
        weight = bytes;
    }

    private void ClearRows(bool trusted)
    {
        if (HoldsRows && (trusted || OthersAreZeros()))
        {
            var width = Width;
            foreach (var row in rows) new Span<float>(start + (row * width), checked((int)width)).Clear();
            TorchInternals.Changed(memory!);
        }
        else
        {
            using var _ = no_grad();
            memory!.zero_();
        }

        rows.Clear();
        rowsOnly = true;
        version = TorchInternals.Version(memory!);
    }

    /// <summary>Whether all but the rows are zeros to the last bit; reads them.</summary>
    private bool OthersAreZeros()
    {
        const int most = 1 << 20;
        var (at, width) = (0L, Width);
        foreach (var row in rows)
        {
            if (!AreZeros(row * width)) return false;
            at = (row + 1) * width;
        }

        return AreZeros(memory!.numel());

        bool AreZeros(long end)
        {
            for (; at < end; at += most)
            {
                if (new ReadOnlySpan<int>(start + at, (int)Math.Min(most, end - at)).ContainsAnyExcept(0)) return false;
            }

            return true;
        }
    }

    /// <summary>The right to some memories, until it is disposed; always taken in one order.</summary>
    internal sealed class Hold : IDisposable
    {
        internal static readonly Hold Nothing = new([]);
        private readonly GradientMemory[] memories;

        internal Hold(GradientMemory[] memories)
        {
            this.memories = memories;
            foreach (var m in memories) m.gate.Enter();
        }

        public void Dispose()
        {
            foreach (var m in memories) m.gate.Exit();
        }
    }
}
