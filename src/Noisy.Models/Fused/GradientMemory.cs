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
/// <remarks>Only for backward passes that add to the <c>grad</c> of every leaf (<see cref="TorchInternals.AccumulatesIntoLeaves"/>). What
/// <c>grad</c> holds decides whether a gradient is added or written: null it, zero it, scale it or replace it as with torch.</remarks>
internal sealed unsafe class GradientMemory
{
    private static readonly ConditionalWeakTable<Parameter, GradientMemory> Known = [];
    private static long made;

    private readonly long number = Interlocked.Increment(ref made);
    private readonly Lock gate = new();
    private readonly SortedSet<int> rows = [];
    private Tensor? memory;
    private float* start; // its first float
    private bool rowsOnly; // all but some rows are zeros
    private uint? version; // of the memory when it was last written here

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
        var zeros = current is not null && RowsOf(current) is { Count: 0 };
        if (current is null) Begin(parameter);
        rowsOnly = false;
        return new GradientTarget { At = start, Add = current is not null && !zeros };
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
            ClearRows();
        }
        else if (rowsOnly && TorchInternals.Version(memory!) != version)
        {
            rowsOnly = false; // torch has changed it since
        }

        if (rowsOnly) rows.UnionWith(touched);
        return new GradientTarget { At = start, Add = true };
    }

    /// <summary>The rows that may differ from zero, if the gradient is this memory and holds nothing but rows; else null.</summary>
    /// <param name="gradient">The parameter's <c>grad</c>.</param>
    internal IReadOnlyCollection<int>? RowsOf(Tensor gradient) =>
        rowsOnly && version is not null && IsMine(gradient) && TorchInternals.Version(memory!) == version ? rows : null;

    /// <summary>Fills a parameter's gradient with zeros; of one that holds nothing but rows, these alone.</summary>
    /// <param name="gradient">The parameter's <c>grad</c>.</param>
    internal void Zero(Tensor gradient)
    {
        if (IsMine(gradient) && gradient.dim() > 0) ClearRows();
        else gradient.zero_();
    }

    /// <summary>A gradient that others made: written to directly where that is what torch would do.</summary>
    private static GradientTarget? Foreign(Tensor gradient)
    {
        if (gradient.is_sparse || !FusedEngine.Takes(gradient) || !gradient.is_contiguous() || gradient.requires_grad) return null;
        TorchInternals.Changed(gradient);
        return new GradientTarget { At = FusedEngine.Pointer(gradient), Add = true };
    }

    private bool IsMine(Tensor gradient) => memory is not null && !gradient.is_sparse && FusedEngine.Pointer(gradient) == start;

    /// <summary>Makes the memory the parameter's gradient, whatever it holds.</summary>
    private void Begin(Parameter parameter)
    {
        if (memory is null || !memory.shape.AsSpan().SequenceEqual(parameter.shape) || TorchInternals.IsShared(memory))
        {
            memory?.Dispose();
            using var _ = no_grad();
            memory = empty_like(parameter).DetachFromDisposeScope();
            start = FusedEngine.Pointer(memory);
            HugePages.Advise(start, (nuint)memory.numel() * sizeof(float));
            rowsOnly = false;
        }

        parameter.grad = memory;
    }

    private void ClearRows()
    {
        var width = memory!.numel() / Math.Max(1, memory.shape[0]);
        if (rowsOnly && TorchInternals.Version(memory) == version)
        {
            foreach (var row in rows) new Span<float>(start + (row * width), checked((int)width)).Clear();
        }
        else
        {
            using var _ = no_grad();
            memory.zero_();
        }

        rows.Clear();
        rowsOnly = true;
        version = TorchInternals.Version(memory);
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
