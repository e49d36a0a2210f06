using System.Runtime.CompilerServices;
using Noisy.Core;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>
/// A fixed place for a parameter's gradient, owned by an optimiser. Fused functions write there, instead of handing torch a
/// new tensor at every update, which it would copy once more.
/// </summary>
internal sealed unsafe class GradientSlot(NativeBuffer memory, Optimizer owner, float* at, long length, long rowLength)
{
    private static readonly ConditionalWeakTable<Tensor, GradientSlot> Slots = [];
    private readonly NativeBuffer memory = memory; // as long as anyone can write here
    private readonly WeakReference<Optimizer> owner = new(owner); // one that was dropped takes no gradients
    private bool attached;
    private readonly bool[] touched = new bool[length / Math.Max(1, rowLength)];

    /// <summary>First float.</summary>
    internal float* At { get; } = at;

    internal long Length { get; } = length;

    /// <summary>Floats of a row of the parameter.</summary>
    internal long RowLength { get; } = rowLength;

    /// <summary>Whether the whole gradient was written since the last <see cref="Clear"/>.</summary>
    internal bool IsWritten { get; private set; }

    /// <summary>Rows written so far, where only some were; sorted. The others count as 0 and hold anything.</summary>
    internal SortedSet<int> Rows { get; } = [];

    /// <summary>The slot of a parameter; null if no optimiser that still exists gave it one.</summary>
    internal static GradientSlot? Of(Tensor? parameter) =>
        parameter is Parameter && Slots.TryGetValue(parameter, out var slot) && slot.owner.TryGetTarget(out _) ? slot : null;

    /// <summary>Makes this the parameter's slot.</summary>
    internal void Attach(Parameter parameter)
    {
        Slots.AddOrUpdate(parameter, this);
        attached = true;
    }

    /// <summary>This slot while its optimiser is there; null once it was disposed, which may be between a forward pass and its way
    /// back.</summary>
    internal GradientSlot? Live => attached ? this : null;

    /// <summary>Takes the slot away again.</summary>
    internal void Detach(Parameter parameter)
    {
        attached = false;
        if (ReferenceEquals(Of(parameter), this)) Slots.Remove(parameter);
    }

    /// <summary>Where to write a whole gradient, and whether to add to what is there.</summary>
    internal GradientTarget Whole()
    {
        if (Rows.Count > 0) Fill();
        var target = new GradientTarget { At = At, Add = IsWritten };
        IsWritten = true;
        return target;
    }

    /// <summary>A row to add to; zero at its first use.</summary>
    internal Span<float> Row(int row)
    {
        var span = new Span<float>(At + (row * RowLength), (int)RowLength);
        if (IsWritten || touched[row]) return span;
        touched[row] = true;
        Rows.Add(row);
        span.Clear();
        return span;
    }

    /// <summary>Adds a gradient that torch has.</summary>
    internal void Add(Tensor gradient)
    {
        using var whole = gradient.contiguous();
        var target = Whole();
        var from = new ReadOnlySpan<float>(FusedEngine.Pointer(whole), checked((int)Length));
        var to = new Span<float>(At, checked((int)Length));
        if (!target.Add)
        {
            from.CopyTo(to);
            return;
        }

        for (var i = 0; i < to.Length; i++) to[i] += from[i];
    }

    /// <summary>Makes the gradient whole: rows that nobody wrote become zeros.</summary>
    internal void Fill()
    {
        if (!IsWritten)
        {
            for (var row = 0; row < touched.Length; row++)
            {
                if (!touched[row]) new Span<float>(At + (row * RowLength), (int)RowLength).Clear();
            }
        }

        ClearRows();
        IsWritten = true;
    }

    /// <summary>Forgets the gradient.</summary>
    internal void Clear()
    {
        ClearRows();
        IsWritten = false;
    }

    private void ClearRows()
    {
        foreach (var row in Rows) touched[row] = false;
        Rows.Clear();
    }
}
