using Noisy.Core;

namespace Noisy.Models;

/// <summary>Where a module's random numbers lie: child <em>id</em> of the model's keys, of initial weights as of draws.</summary>
/// <remarks>A module adds its address itself, so it draws the same whatever calls it: by <c>forward(x)</c> with the clock, by
/// <c>forward(x, context)</c>, or from within another module. A module that contains others hands its context on as it is.</remarks>
/// <param name="clock">The model's clock, which gives the id.</param>
/// <param name="first">Id of the first module that this one contains, if they were created before it; default none.</param>
internal sealed class ModuleNoise(NoiseClock clock, uint? first = null)
{
    private readonly uint id = (clock ?? throw new ArgumentNullException(nameof(clock))).NewModuleId();
    private uint end = clock.NextModuleId;

    /// <summary>The model's clock.</summary>
    internal NoiseClock Clock => clock;

    /// <summary>Key of the initial weights.</summary>
    internal NoiseKey Init => clock.Key.Child("init").Child(id);

    /// <summary>Notes that the modules created since this one are parts of it, so that a plain call counts as theirs too.</summary>
    internal void IncludeParts() => end = clock.NextModuleId;

    /// <summary>A pass as the module draws in it.</summary>
    internal NoiseContext Own(NoiseContext context) => context.Child(id);

    /// <summary>The same of a numbered part of the module.</summary>
    internal NoiseContext Own(NoiseContext context, uint part) => context with { Key = context.Key.Child(id).Child(part) };

    /// <summary>The context of a plain call, which takes its time steps from the clock.</summary>
    /// <param name="training">The module's mode.</param>
    /// <param name="timeSteps">How many time steps the call covers, ≥ 1.</param>
    internal NoiseContext Next(bool training, int timeSteps = 1) => clock.Context(first ?? id, end, training, timeSteps);
}
