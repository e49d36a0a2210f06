namespace Noisy.Models;

/// <summary>Which nonlinearity of a model: its draws lie at the same address.</summary>
/// <param name="Module">The module.</param>
/// <param name="Part">Layer and direction within the module, from 0.</param>
/// <param name="Site">Nonlinearity within a cell, from 0.</param>
internal readonly record struct SiteAddress(ModuleNoise Module, int Part = 0, int Site = 0);
