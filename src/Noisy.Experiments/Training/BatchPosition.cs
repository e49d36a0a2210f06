namespace Noisy.Experiments;

/// <summary>Where training stands when it takes a batch.</summary>
/// <param name="Update">Updates done, ≥ 0.</param>
/// <param name="Epoch">Epoch, from 1.</param>
/// <param name="Index">Batch within the epoch, from 0.</param>
/// <param name="Stage">Current stage of difficulty, from 1; of a task with one stage always 1.</param>
public readonly record struct BatchPosition(long Update, int Epoch, long Index, int Stage);
