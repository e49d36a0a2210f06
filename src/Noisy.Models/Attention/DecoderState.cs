using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Where a decoder stands in a batch of sentences.</summary>
/// <param name="Hidden">State after the last word, [B, H].</param>
/// <param name="Encoded">What it attends to.</param>
/// <param name="Keys">Its attention's keys of that, [S, B, A].</param>
/// <remarks>Owns all of its tensors.</remarks>
public sealed record DecoderState(Tensor Hidden, EncodedSentences Encoded, Tensor Keys) : StepState
{
    /// <summary>Some rows, in a given order.</summary>
    /// <param name="rows">Numbers of rows, perhaps some of them several times.</param>
    /// <returns>A new state that shares no memory with this one.</returns>
    public DecoderState Rows(int[] rows)
    {
        using var index = tensor(rows.Select(row => (long)row).ToArray()).to(Hidden.device);
        return new(
            Hidden.index_select(0, index),
            new(Encoded.Annotations.index_select(1, index), Encoded.Mask.index_select(1, index), Encoded.Mean.index_select(0, index)),
            Keys.index_select(1, index));
    }

    /// <summary>The state after one more word; shares what is attended to, and may outlive this one.</summary>
    /// <param name="hidden">[B, H]; the new state takes it over.</param>
    public DecoderState After(Tensor hidden) => new(
        hidden, new(Encoded.Annotations.alias(), Encoded.Mask.alias(), Encoded.Mean.alias()), Keys.alias());

    private protected override IReadOnlyList<Tensor> All => [Hidden, Encoded.Annotations, Encoded.Mask, Encoded.Mean, Keys];
}
