using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A recurrent module whatever its cell: layers over sequences, or single steps.</summary>
internal interface IRecurrence
{
    /// <summary>What is repeated in time.</summary>
    RecurrentCell Cell { get; }

    /// <summary>Which implementation to run on.</summary>
    Backend Backend { get; set; }

    /// <summary>Which implementation the last pass ran on, by the name that summaries use.</summary>
    string LastBackend { get; }

    /// <summary>Name of a site within the module, such as "l0.input".</summary>
    string SiteName(SiteAddress site);

    /// <summary>Checks a pass's input and states, and counts its time steps, before the clock does.</summary>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    int TimeSteps(Tensor input, Tensor[]? states);

    /// <summary>A pass.</summary>
    /// <param name="input">Input.</param>
    /// <param name="states">Initial states; null starts from zeros.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>The output, of layers, and the states after it; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    Tensor[] Run(Tensor input, Tensor[]? states, NoiseContext context);
}
