using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Noisy.Core;
using TorchSharp;

namespace Noisy.Models;

/// <summary>Versions of everything that a run's numbers depend on.</summary>
public static class RunVersions
{
    /// <summary>Version by name, for summaries.</summary>
    public static IReadOnlyDictionary<string, string> Current { get; } = new Dictionary<string, string>
    {
        ["noisy"] = NoisyVersion.Current,
        ["torchSharp"] = Informational(typeof(torch).Assembly),
        ["libtorch"] = torch.__version__,
        ["dotnet"] = RuntimeInformation.FrameworkDescription,
        ["os"] = RuntimeInformation.OSDescription,
        ["architecture"] = RuntimeInformation.ProcessArchitecture.ToString(),
        ["vectorBits"] = (Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0).ToString(),
    };

    private static string Informational(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? assembly.GetName().Version?.ToString() ?? "unknown";
}
