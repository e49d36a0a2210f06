namespace Noisy.Experiments;

/// <summary>Where a program stands in its columns.</summary>
/// <param name="Column">Column, from 0.</param>
/// <param name="Start">Place of its first character in the column, from 0.</param>
/// <param name="Program">The program.</param>
public sealed record PlacedProgram(int Column, int Start, GeneratedProgram Program);
