using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Sentences as a decoder with attention sees them.</summary>
/// <param name="Annotations">What was found at each word, [S, B, C]; without meaning where a sentence is over.</param>
/// <param name="Mask">[S, B]: 0 at words, −∞ where a sentence is over.</param>
/// <param name="Mean">Mean over a sentence's words, [B, C].</param>
public sealed record EncodedSentences(Tensor Annotations, Tensor Mask, Tensor Mean);
