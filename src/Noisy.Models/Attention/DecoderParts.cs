using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What a decoder that attends is made of.</summary>
/// <param name="First">Takes the word; its state attends. Null: the state before attends, and the last cell takes the word too.</param>
/// <param name="Attention">The attention.</param>
/// <param name="Selector">Scales what was seen; null for none.</param>
/// <param name="SelectorWeight">The selector's product with the state that attends, [1, H].</param>
/// <param name="SelectorBias">[1].</param>
/// <param name="Last">Goes on from the state that attended; takes what was seen, after the word if there is no first cell.</param>
internal sealed record DecoderParts(
    NoisyCell? First, AdditiveAttention Attention, NoisyActivation? Selector, Tensor? SelectorWeight, Tensor? SelectorBias, NoisyCell Last);

/// <summary>What a decoder begins with and attends to.</summary>
/// <param name="Hidden">[B, H].</param>
/// <param name="Cell">[B, H]; null for a cell of one state.</param>
/// <param name="Keys">[S, B, A].</param>
/// <param name="Annotations">[S, B, C].</param>
/// <param name="Mask">[S, B], added to the scores; null for zeros.</param>
internal sealed record DecoderStart(Tensor Hidden, Tensor? Cell, Tensor Keys, Tensor Annotations, Tensor? Mask);
