using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using Noisy.Core;
using Noisy.Models;
using TorchSharp;

namespace Noisy.Experiments;

/// <summary>Versions of everything that a run's numbers depend on.</summary>
internal static class RunVersions
{
    /// <summary>Version by name, for summaries; <c>vectorBits</c> is the width of the engine's vectors.</summary>
    public static IReadOnlyDictionary<string, string> Current => new Dictionary<string, string>
    {
        ["noisy"] = NoisyVersion.Current,
        ["torchSharp"] = Informational(typeof(torch).Assembly),
        ["libtorch"] = torch.__version__,
        ["dotnet"] = RuntimeInformation.FrameworkDescription,
        ["os"] = RuntimeInformation.OSDescription,
        ["architecture"] = RuntimeInformation.ProcessArchitecture.ToString(),
        ["vectorBits"] = ((int)VectorWidths.Resolve(FusedEngine.Width)).ToString(CultureInfo.InvariantCulture),
    };

    private static string Informational(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? assembly.GetName().Version?.ToString() ?? "unknown";
}
