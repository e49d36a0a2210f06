namespace Noisy.Experiments;

/// <summary>What a model answered to a program, each character predicted from the true ones before it.</summary>
/// <param name="Program">The program.</param>
/// <param name="Answer">As many characters as its target has.</param>
public sealed record ProgramPrediction(GeneratedProgram Program, string Answer);
