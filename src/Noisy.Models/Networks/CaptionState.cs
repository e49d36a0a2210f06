using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Where a captioning model stands in a batch of pictures.</summary>
/// <param name="Hidden">Hidden state, [B, H].</param>
/// <param name="Cell">Cell state, [B, H].</param>
/// <param name="Annotations">What is attended to, [L, B, D].</param>
/// <param name="Keys">The attention's keys of that, [L, B, A].</param>
/// <remarks>Owns all of its tensors.</remarks>
public sealed record CaptionState(Tensor Hidden, Tensor Cell, Tensor Annotations, Tensor Keys) : StepState
{
    /// <summary>Some rows, in a given order.</summary>
    /// <param name="rows">Numbers of rows, perhaps some of them several times.</param>
    /// <returns>A new state that shares no memory with this one.</returns>
    public CaptionState Rows(int[] rows)
    {
        using var index = tensor(rows.Select(row => (long)row).ToArray()).to(Hidden.device);
        return new(Hidden.index_select(0, index), Cell.index_select(0, index), Annotations.index_select(1, index), Keys.index_select(1, index));
    }

    /// <summary>The state after one more word; shares what is attended to, and may outlive this one.</summary>
    /// <param name="hidden">[B, H]; the new state takes it over.</param>
    /// <param name="cell">[B, H]; the new state takes it over.</param>
    public CaptionState After(Tensor hidden, Tensor cell) => new(hidden, cell, Annotations.alias(), Keys.alias());

    private protected override IReadOnlyList<Tensor> All => [Hidden, Cell, Annotations, Keys];
}
