using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What a captioning model says of given captions.</summary>
/// <param name="Sum">Negative log-likelihood of all words in nats, a scalar.</param>
/// <param name="Nats">That of each word [T, B], 0 behind a caption's end; without a gradient.</param>
/// <param name="Attention">The attention of each word to each place, [T, L, B].</param>
/// <param name="Selected">What it took of each place, [T, L, B]: the attention itself or, where one place was drawn, 1 there and 0
/// elsewhere; without a gradient.</param>
public sealed record CaptionLoss(Tensor Sum, Tensor Nats, Tensor Attention, Tensor Selected);
