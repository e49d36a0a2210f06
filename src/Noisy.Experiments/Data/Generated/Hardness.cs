using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>How hard the next number of a program is; asked afresh for each, so that one program may mix difficulties.</summary>
/// <param name="stream">The program's draws for this purpose.</param>
/// <param name="draw">How often the program asked before, from 0.</param>
/// <returns>The difficulty; a pure function of stream and draw.</returns>
public delegate ProgramDifficulty Hardness(NoiseStream stream, int draw);
