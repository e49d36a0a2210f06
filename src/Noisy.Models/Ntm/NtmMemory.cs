using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Where a head attends in the memory, and what it does there, as tensor operations.</summary>
/// <remarks>Source: Graves, Wayne, Danihelka, "Neural Turing Machines", 2014, Sections 3.1 to 3.3; docs/paper.md, decision 22,
/// for what they leave open.</remarks>
internal static class NtmMemory
{
    /// <summary>Attention of a head: by content, mixed with its last one, moved and sharpened.</summary>
    /// <param name="memory">[B, N, M].</param>
    /// <param name="before">Attention of the last time step [B, N].</param>
    /// <param name="head">What it is told.</param>
    /// <returns>[B, N]: positive, each row adds up to 1.</returns>
    public static Tensor Attend(Tensor memory, Tensor before, NtmHead head)
    {
        var content = (head.Strength * Similarity(memory, head.Key)).softmax(1);
        var gated = (head.Gate * content).PlusProduct(head.Gate.Times(-1).Plus(1), before);
        var shift = head.Shift.split(1, 1);
        var shifted = (shift[0] * gated.roll(-1, 1)).PlusProduct(shift[1], gated).PlusProduct(shift[2], gated.roll(1, 1));
        return (head.Sharpening * shifted.Plus(Addressing.LogGuard).log()).softmax(1);
    }

    /// <summary>Σ over the rows of attention · row.</summary>
    /// <param name="memory">[B, N, M].</param>
    /// <param name="attention">[B, N].</param>
    /// <returns>[B, M].</returns>
    public static Tensor Read(Tensor memory, Tensor attention) => attention.unsqueeze(1).bmm(memory).squeeze(1);

    /// <summary>M (1 − attention eraseᵀ) + attention addᵀ.</summary>
    /// <param name="memory">[B, N, M].</param>
    /// <param name="attention">[B, N].</param>
    /// <param name="head">Erase and add vectors.</param>
    /// <returns>[B, N, M].</returns>
    public static Tensor Write(Tensor memory, Tensor attention, NtmHead head)
    {
        var change = head.Add!.unsqueeze(1) - (memory * head.Erase!.unsqueeze(1));
        return memory.PlusProduct(attention.unsqueeze(2), change);
    }

    /// <summary>Cosine of key and rows, with a small number added to both squared lengths.</summary>
    private static Tensor Similarity(Tensor memory, Tensor key)
    {
        var product = memory.bmm(key.unsqueeze(2)).squeeze(2);
        return product / (Length(memory, 2) * Length(key, 1).unsqueeze(1));
    }

    private static Tensor Length(Tensor rows, int dim) => rows.Squared().sum(dim).Plus(MemoryAccess.LengthGuard).sqrt();
}
