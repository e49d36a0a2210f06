namespace Noisy.Models;

/// <summary>Time steps of a sequence of batches in which the number of examples is the same.</summary>
/// <param name="First">Its first time step.</param>
/// <param name="Steps">Time steps, ≥ 1.</param>
/// <param name="Batch">Examples: the first so many.</param>
internal readonly record struct PackedSegment(int First, int Steps, long Batch);
