namespace Noisy.Experiments;

/// <summary>Where a program stands in its streams.</summary>
/// <param name="Stream">Stream, from 0.</param>
/// <param name="Start">Place of its first character in the stream, from 0.</param>
/// <param name="Program">The program.</param>
public sealed record PlacedProgram(int Stream, int Start, GeneratedProgram Program);
