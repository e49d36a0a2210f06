namespace Noisy.Experiments;

/// <summary>Some episodes of associative recall with one number of items, as arrays.</summary>
/// <param name="Items">Items n of each episode.</param>
/// <param name="Count">Episodes B.</param>
/// <param name="Input">[T, B, 8], row-major.</param>
/// <param name="Target">What is to be answered, 0 or 1: [3, B, 6], row-major.</param>
/// <param name="Queries">Index of each episode's queried item, from 0.</param>
public sealed record RecallBatch(int Items, int Count, float[] Input, float[] Target, int[] Queries);
