using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Noisy.Models;

/// <summary>What libtorch's files are called on this system, and where they may lie.</summary>
internal static class TorchFiles
{
    /// <summary>The systems for which TorchSharp has a library.</summary>
    internal static readonly string[] Served = ["linux-x64", "win-x64", "win-arm64", "osx-arm64"];

    /// <summary>This system, as packages name it.</summary>
    internal static string Rid { get; } =
        (OperatingSystem.IsWindows() ? "win-" : OperatingSystem.IsMacOS() ? "osx-" : "linux-")
#pragma warning disable CA1308 // the names are in lower case
        + RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
#pragma warning restore CA1308

    /// <summary>Whether there is a libtorch for this system at all.</summary>
    internal static bool IsServed => Served.Contains(Rid);

    /// <summary>The package that has the CPU build for this system.</summary>
    internal static string Package => $"libtorch-cpu-{Rid}";

    /// <summary>The version of that package.</summary>
    internal static string Version => Recorded("LibTorchVersion");

    /// <summary>The versions that TorchSharp's library can be loaded on: those of the same major and minor number.</summary>
    internal static string Series => string.Join('.', Version.Split('.').Take(2));

    /// <summary>What a folder's libtorch says of its version: in a file of its download, or of the Python package that it is part of.</summary>
    /// <param name="folder">The folder of its libraries.</param>
    /// <returns>Such as 2.10.0; null where nothing is said.</returns>
    internal static string? VersionOf(string folder)
    {
        var parent = Parent(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))) ?? "";
        return new[] { "build-version", "version.py" }.Select(name => Path.Combine(parent, name)).Where(System.IO.File.Exists)
            .Select(file => Regex.Match(System.IO.File.ReadAllText(file), @"\d+\.\d+\.\d+")).FirstOrDefault(found => found.Success)?.Value;
    }

    /// <summary>libtorch's parts, in the order in which they need each other; a CPU build lacks those of CUDA.</summary>
    internal static IEnumerable<string> Libraries => new[] { "c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch" }.Select(File);

    /// <summary>The file by which a folder with libtorch is known.</summary>
    internal static string Torch => File("torch_cpu");

    /// <summary>The file that stands between TorchSharp and libtorch.</summary>
    internal static string Bridge => File("LibTorchSharp");

    /// <summary>Folders of a libtorch: the program's own, the one that the build recorded, the package cache.</summary>
    internal static IEnumerable<string> TorchFolders =>
        ProbedFolders.Append(Recorded("LibTorch")).Concat(CachedFolders(Package));

    /// <summary>Where TorchSharp's native library may be.</summary>
    internal static IEnumerable<string> Bridges =>
        ProbedFolders.Select(folder => Path.Combine(folder, Bridge)).Append(Recorded("LibTorchSharp"))
            .Concat(CachedFolders("torchsharp").Select(folder => Path.Combine(folder, Bridge)));

    /// <summary>Whether this is a build of the repository, which has recorded where it found the natives.</summary>
    internal static bool IsRecorded => Recorded("LibTorch").Length > 0;

    /// <summary>Whether TorchSharp was loaded from the package cache, as in a script that says <c>#r "nuget: ..."</c>.</summary>
    internal static bool IsScript => Packages is not null;

    // Where the .NET host looks for natives: an application that references the packages has them there.
    private static IEnumerable<string> ProbedFolders =>
        (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Append(AppContext.BaseDirectory);

    // The package's folder of TorchSharp, PACKAGES/torchsharp/VERSION, if it has the layout of the cache: VERSION/lib/FRAMEWORK/TorchSharp.dll.
    private static string? Packages
    {
        get
        {
            var version = Parent(Parent(Parent(typeof(TorchSharp.torch).Assembly.Location)));
            return version is not null && Directory.Exists(Path.Combine(version, "runtimes")) && Path.GetFileName(Parent(version)) == "torchsharp"
                ? version
                : null;
        }
    }

    // Nothing copies natives for a script. The newest version first; other versions than TorchSharp's own do not load.
    private static IEnumerable<string> CachedFolders(string package)
    {
        if (Packages is not { } torchSharp) return [];
        var versions = Path.Combine(Parent(Parent(torchSharp))!, package);
        if (!Directory.Exists(versions)) return [];
        return Directory.GetDirectories(versions).OrderDescending(StringComparer.Ordinal)
            .OrderByDescending(v => v == torchSharp || Path.GetFileName(v) == Version)
            .Select(v => Path.Combine(v, "runtimes", Rid, "native"));
    }

    private static string? Parent(string? path) => Path.GetDirectoryName(path);

    private static string File(string library) =>
        OperatingSystem.IsWindows() ? $"{library}.dll" : OperatingSystem.IsMacOS() ? $"lib{library}.dylib" : $"lib{library}.so";

    private static string Recorded(string key) =>
        typeof(TorchFiles).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(a => a.Key == key)?.Value ?? "";
}
