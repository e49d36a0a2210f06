using Noisy.Models;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>What one update's batch gave.</summary>
/// <param name="Objective">Scalar to be differentiated; in the recurrent tasks summed over time, averaged over the batch.</param>
/// <param name="NllSum">The same batch's summed negative log-likelihood in nats, detached.</param>
/// <param name="Items">How many items (tokens, examples) the sum covers; ≥ 0.</param>
/// <param name="Correct">How many of the items were predicted right, a detached scalar; null if the task does not count.</param>
public sealed record BatchLoss(Tensor Objective, Tensor NllSum, long Items, Tensor? Correct = null);
