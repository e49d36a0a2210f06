using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Noisy.Models;

/// <summary>Brings libtorch into the process before TorchSharp looks for it.</summary>
/// <remarks>
/// <para>On Linux the natives are loaded from where they already lie (the package cache, the application's folder, or
/// <c>NOISY_LIBTORCH</c>), so no build copies 600 MB. This happens by itself when the assembly is first used; a
/// failure is kept, and <see cref="EnsureLoaded"/> tells it.</para>
/// <para>TorchSharp's own library is linked against a libstdc++ newer than that of Debian 12 and Ubuntu 22.04. It
/// needs it for one symbol that nothing calls; where the original does not load, a copy in which that version
/// is optional is loaded instead, from a temporary file that is gone again before <see cref="EnsureLoaded"/> returns.</para>
/// <para><c>NOISY_LIBTORCH</c> names a folder with another build of libtorch, of the version that this TorchSharp was
/// made for (2.10): a CUDA build has <c>libtorch_cuda.so</c> beside <c>libtorch_cpu.so</c>, and CUDA's own libraries
/// beside them or on the loader's path; then <c>torch.cuda.is_available()</c> answers for the machine.</para>
/// <para>On Windows and macOS finding libtorch is left to TorchSharp: reference <c>TorchSharp-cpu</c> there.</para>
/// </remarks>
public static class TorchNative
{
    /// <summary>Environment variable that names a folder with another build of libtorch.</summary>
    public const string FolderVariable = "NOISY_LIBTORCH";

    private const string NewerThanDebian12 = "GLIBCXX_3.4.32";

    // In the order in which they need each other; a CPU build lacks those of CUDA.
    private static readonly string[] Libraries =
        ["libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so"];

    private static readonly Lazy<TorchNotLoadableException?> Failure = new(Load);

    /// <summary>What was loaded from where; for logs and bug reports.</summary>
    public static string Report { get; private set; } = "not loaded";

    /// <summary>Makes sure that tensors can be used; cheap after the first call.</summary>
    /// <exception cref="TorchNotLoadableException">libtorch is not there, or this machine cannot load it.</exception>
    public static void EnsureLoaded()
    {
        if (Failure.Value is { } failure)
            throw new TorchNotLoadableException(failure.Message, failure.InnerException);
    }

    [ModuleInitializer]
    internal static void OnAssemblyLoad() => _ = Failure.Value;

    private static TorchNotLoadableException? Load()
    {
        if (!OperatingSystem.IsLinux())
        {
            Report = "left to TorchSharp";
            return null;
        }
        try
        {
            SetEnvironment();
            string torch = TorchFolder();
            foreach (string openMp in Directory.GetFiles(torch, "libgomp*"))
                NativeLibrary.Load(openMp);
            foreach (string library in Libraries.Select(name => Path.Combine(torch, name)).Where(File.Exists))
                NativeLibrary.Load(library);
            string bridge = LoadBridge(BridgeFile());
            Report = $"{bridge}, {torch}";
            return null;
        }
        catch (TorchNotLoadableException e)
        {
            return e;
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or IOException or UnauthorizedAccessException)
        {
            return new TorchNotLoadableException(
                $"libtorch cannot be loaded on this machine ({Reason(e)}): it needs 64-bit Linux on x64 with glibc 2.28 or newer; "
                + $"on another system set {FolderVariable} to a folder with a libtorch 2.10 made for it.", e);
        }
    }

    // Both libraries read their settings once, when they are loaded, and with the C library's getenv, which does not see what .NET's
    // Environment sets. A value set by the user stays.
    //
    // libgomp: waiting threads may spin for a moment and then sleep; the default, spinning for milliseconds, takes a core from every other
    // thread of the process.
    //
    // MKL: the same product has the same bits wherever in memory its matrices lie. Without it they differ on AMD's processors, from run to
    // run, and no resumed training repeats an uninterrupted one.
    private static void SetEnvironment()
    {
        _ = setenv("GOMP_SPINCOUNT", "3000", overwrite: 0);
        _ = setenv("MKL_CBWR", "AUTO", overwrite: 0);
    }

    private static string TorchFolder()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } chosen)
            return HasTorch(chosen)
                ? Path.GetFullPath(chosen)
                : throw new TorchNotLoadableException(
                    $"{FolderVariable} names '{chosen}', where there is no libtorch_cpu.so: point it to the lib folder of a libtorch 2.10, or unset it.");
        return ProbedFolders().Append(Recorded("LibTorch")).Concat(CachedFolders("libtorch-cpu-linux-x64")).FirstOrDefault(HasTorch)
            ?? throw new TorchNotLoadableException(
                $"libtorch was not found in {Quoted(Recorded("LibTorch"))}: run 'dotnet fsi build.fsx -t Build' to fetch it, "
                + $"reference libtorch-cpu-linux-x64 in your own project, or set {FolderVariable} to a folder with libtorch_cpu.so.");
    }

    private static string BridgeFile() =>
        ProbedFolders().Select(folder => Path.Combine(folder, "libLibTorchSharp.so")).Append(Recorded("LibTorchSharp"))
            .Concat(CachedFolders("torchsharp").Select(folder => Path.Combine(folder, "libLibTorchSharp.so"))).FirstOrDefault(File.Exists)
        ?? throw new TorchNotLoadableException(
            $"TorchSharp's native library was not found in {Quoted(Recorded("LibTorchSharp"))}: run 'dotnet fsi build.fsx -t Build' to fetch it.");

    private static string LoadBridge(string original)
    {
        if (NativeLibrary.TryLoad(original, out _))
            return original;
        byte[] image = File.ReadAllBytes(original);
        if (ElfVersions.Weaken(image, NewerThanDebian12) == 0)
            NativeLibrary.Load(original); // something else is wrong: let the loader say what

        LoadCopy(image, [Path.GetTempPath(), "/tmp", "/dev/shm", AppContext.BaseDirectory], copy => NativeLibrary.Load(copy));
        return $"{original} with {NewerThanDebian12} made optional";
    }

    /// <summary>Loads a library from a temporary copy in the first place that takes one: some may not exist, be full, or forbid
    /// execution.</summary>
    /// <param name="image">The library.</param>
    /// <param name="places">Folders to try, in order.</param>
    /// <param name="load">Loads a file, which stays mapped after it is deleted.</param>
    /// <exception cref="TorchNotLoadableException">No place takes it.</exception>
    internal static void LoadCopy(ReadOnlySpan<byte> image, IEnumerable<string> places, Action<string> load)
    {
        List<string> failures = [];
        foreach (string place in places.Select(Path.TrimEndingDirectorySeparator).Distinct())
        {
            string copy = Path.Combine(place, $"noisy-{Environment.ProcessId}-{Guid.NewGuid():N}.so");
            try
            {
                File.WriteAllBytes(copy, image);
                load(copy);
                return;
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or IOException or UnauthorizedAccessException)
            {
                failures.Add($"{place} ({Reason(e)})");
            }
            finally
            {
                Delete(copy);
            }
        }
        throw new TorchNotLoadableException(
            $"TorchSharp's native library needs a temporary copy on this machine, and no place takes one: {string.Join("; ", failures)}. "
            + "Set TMPDIR to a folder that exists, has room and allows programs.");
    }

    private static void Delete(string copy)
    {
        try
        {
            File.Delete(copy);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A leftover is harmless.
        }
    }

    /// <summary>Where the .NET host looks for natives: an application that references the packages has them there.</summary>
    private static IEnumerable<string> ProbedFolders() =>
        (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Where a package lies in the cache that TorchSharp itself was loaded from, as in a script that says <c>#r "nuget: ..."</c>:
    /// nothing copies natives there. The newest version first; other versions than TorchSharp's own do not load.</summary>
    private static IEnumerable<string> CachedFolders(string package)
    {
        // PACKAGES/torchsharp/VERSION/lib/FRAMEWORK/TorchSharp.dll
        var version = Path.GetDirectoryName(Path.GetDirectoryName(Path.GetDirectoryName(typeof(TorchSharp.torch).Assembly.Location)));
        if (version is null || Path.GetDirectoryName(Path.GetDirectoryName(version)) is not { } packages) return [];
        var versions = Path.Combine(packages, package);
        if (!Directory.Exists(versions)) return [];
        return Directory.GetDirectories(versions).OrderDescending(StringComparer.Ordinal).OrderByDescending(v => v == version)
            .Select(v => Path.Combine(v, "runtimes", "linux-x64", "native"));
    }

    private static bool HasTorch(string folder) => File.Exists(Path.Combine(folder, "libtorch_cpu.so"));

    private static string Recorded(string key) =>
        typeof(TorchNative).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(a => a.Key == key)?.Value ?? "";

    private static string Quoted(string path) => path.Length == 0 ? "the application's folder" : $"'{path}'";

    /// <summary>The loader's own words: the last line of .NET's message, after a paragraph of advice.</summary>
    private static string Reason(Exception e) =>
        e.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^1].TrimEnd('.');

    [DllImport("libc", CharSet = CharSet.Ansi, BestFitMapping = false)]
    private static extern int setenv(string name, string value, int overwrite);
}
