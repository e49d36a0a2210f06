namespace Noisy.Models;

/// <summary>A module with noisy nonlinearities of its own.</summary>
internal interface INoisySites
{
    /// <summary>The module's address, by which it is known.</summary>
    ModuleNoise Noise { get; }

    /// <summary>Name of a nonlinearity within the module, such as "l0.input"; empty if it has one.</summary>
    string SiteName(SiteAddress site);
}
