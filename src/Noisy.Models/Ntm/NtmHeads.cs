using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What a head is told in one time step, for a batch.</summary>
/// <param name="Key">What to compare with the memory [B, M], by tanh.</param>
/// <param name="Strength">How much content counts [B, 1], by softplus.</param>
/// <param name="Gate">Content against the last place [B, 1], by the logistic function.</param>
/// <param name="Shift">Shares of the moves −1, 0, +1 [B, 3], by softmax.</param>
/// <param name="Sharpening">Exponent [B, 1], 1 + softplus.</param>
/// <param name="Erase">Write heads: what is erased [B, M], by the logistic function.</param>
/// <param name="Add">Write heads: what is added [B, M], by tanh.</param>
internal sealed record NtmHead(Tensor Key, Tensor Strength, Tensor Gate, Tensor Shift, Tensor Sharpening, Tensor? Erase, Tensor? Add)
{
    /// <summary>Cuts the controller's numbers into what each head is told.</summary>
    /// <param name="numbers">[B, head outputs]: for each head key, strength, gate, shift, sharpening, and of a write head erase
    /// and add; read heads first.</param>
    /// <param name="shape">Sizes.</param>
    /// <returns>The heads, in the order of their turns.</returns>
    public static NtmHead[] All(Tensor numbers, NtmShape shape)
    {
        long[] common = [shape.MemoryWidth, 1, 1, 3, 1], writer = [.. common, shape.MemoryWidth, shape.MemoryWidth];
        var parts = new Queue<Tensor>(numbers.split(
            [.. Enumerable.Range(0, shape.Heads).SelectMany(head => head < shape.ReadHeads ? common : writer)], 1));
        return [.. Enumerable.Range(0, shape.Heads).Select(head => One(parts, writes: head >= shape.ReadHeads))];
    }

    private static NtmHead One(Queue<Tensor> parts, bool writes) => new(
        parts.Dequeue().tanh(),
        parts.Dequeue().Softplus(),
        parts.Dequeue().sigmoid(),
        parts.Dequeue().softmax(1),
        parts.Dequeue().Softplus().Plus(1),
        writes ? parts.Dequeue().sigmoid() : null,
        writes ? parts.Dequeue().tanh() : null);
}
