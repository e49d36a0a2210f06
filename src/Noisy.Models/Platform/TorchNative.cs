using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace Noisy.Models;

/// <summary>Brings libtorch into the process before TorchSharp looks for it.</summary>
/// <remarks>
/// <para>The natives are loaded from where they already lie (the application's folder, the package cache, or <c>NOISY_LIBTORCH</c>), so no build
/// and no script copies 600 MB. This happens by itself when the assembly is first used; a failure is kept, and <see cref="EnsureLoaded"/>
/// tells it. A program that uses TorchSharp before this library calls <see cref="EnsureLoaded"/> first.</para>
/// <para>On Linux TorchSharp's own library is linked against a libstdc++ newer than that of Debian 12 and Ubuntu 22.04. It
/// needs it for one symbol that nothing calls; where the original does not load, a copy in which that version
/// is optional is loaded instead, from a temporary file that is gone again before <see cref="EnsureLoaded"/> returns.</para>
/// <para><c>NOISY_LIBTORCH</c> names a folder with another build of libtorch, of the version that this TorchSharp was
/// made for (2.10), such as the <c>lib</c> folder of a Python's torch: a CUDA build has <c>torch_cuda</c> beside <c>torch_cpu</c>, and CUDA's own libraries
/// beside them or on the loader's path; then <c>torch.cuda.is_available()</c> answers for the machine.</para>
/// <para>TorchSharp has libraries for Linux and Windows on x64, Windows on Arm, and macOS on Apple silicon.</para>
/// </remarks>
public static class TorchNative
{
    /// <summary>Environment variable that names a folder with another build of libtorch.</summary>
    public const string FolderVariable = "NOISY_LIBTORCH";

    private const string NewerThanDebian12 = "GLIBCXX_3.4.32";

    private static readonly Lazy<TorchNotLoadableException?> Failure = new(Load);

    // By the names under which TorchSharp and this assembly import them.
    private static readonly Dictionary<string, nint> Loaded = [];

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
        try
        {
            if (!TorchFiles.IsServed)
            {
                throw new TorchNotLoadableException(
                    $"TorchSharp has no native library for {TorchFiles.Rid}: Noisy.Core alone works on this machine. For the rest take Linux or "
                    + "Windows on x64, Windows on Arm, or macOS on Apple silicon, each with a .NET of that architecture.");
            }

            NativeSettings.Set();
            var torch = TorchFolder();
            if (OperatingSystem.IsLinux())
                foreach (var openMp in Directory.GetFiles(torch, "libgomp*"))
                    NativeLibrary.Load(openMp);
            foreach (var file in TorchFiles.Libraries.Where(file => File.Exists(Path.Combine(torch, file))))
            {
                var handle = NativeLibrary.Load(Path.Combine(torch, file));
                if (file == TorchFiles.Torch) Loaded["torch_cpu"] = handle;
            }

            var bridge = LoadBridge(BridgeFile());
            Report = $"{bridge}, {torch}";

            // Where .NET's own search would not find them: in scripts, whose natives lie in the package cache.
            foreach (var assembly in new[] { typeof(TorchSharp.torch).Assembly, typeof(TorchNative).Assembly })
                if (AssemblyLoadContext.GetLoadContext(assembly) is { } context)
                {
                    context.ResolvingUnmanagedDll -= Resolve;
                    context.ResolvingUnmanagedDll += Resolve;
                }

            return null;
        }
        catch (TorchNotLoadableException e)
        {
            return e;
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            if (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } chosen)
                return new TorchNotLoadableException(
                    $"the libtorch in '{chosen}', which {FolderVariable} names, cannot be loaded ({Reason(e)}): it must be version {TorchFiles.Series}, and a CUDA "
                    + "build needs CUDA's own libraries beside it or on the loader's path.", e);
            var needs = OperatingSystem.IsWindows() ? "Microsoft's Visual C++ runtime of 2015 or newer, for this architecture"
                : OperatingSystem.IsMacOS() ? "a Mac with Apple silicon and a macOS that is still maintained"
                : "64-bit Linux on x64 with glibc 2.28 or newer";
            return new TorchNotLoadableException($"libtorch cannot be loaded on this machine ({Reason(e)}): it needs {needs}.", e);
        }
    }

    // 0: not one of these, so .NET goes on.
    private static nint Resolve(Assembly assembly, string name) => Loaded.GetValueOrDefault(name);

    private static string TorchFolder() =>
        Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } chosen
            ? Chosen(chosen)
            : TorchFiles.TorchFolders.FirstOrDefault(HasTorch) ?? throw new TorchNotLoadableException(
                $"libtorch was not found: {Remedy}, or set {FolderVariable} to a folder with {TorchFiles.Torch} {TorchFiles.Version}.");

    /// <summary>The folder that the user names, if it has a libtorch that TorchSharp's library can be loaded on.</summary>
    /// <param name="folder">What <see cref="FolderVariable"/> says.</param>
    /// <exception cref="TorchNotLoadableException">It has none, or one of another version.</exception>
    internal static string Chosen(string folder)
    {
        if (!HasTorch(folder))
            throw new TorchNotLoadableException(
                $"{FolderVariable} names '{folder}', where there is no {TorchFiles.Torch}: point it to the lib folder of a libtorch {TorchFiles.Series}, or "
                + "unset it.");
        if (TorchFiles.VersionOf(folder) is { } version && !version.StartsWith(TorchFiles.Series + ".", StringComparison.Ordinal))
            throw new TorchNotLoadableException(
                $"{FolderVariable} names '{folder}', a libtorch {version}: TorchSharp's library is made for {TorchFiles.Series}; point it to one of that "
                + "version, or unset it.");
        return Path.GetFullPath(folder);
    }

    private static string Remedy =>
        TorchFiles.IsRecorded ? "run 'dotnet fsi build.fsx -t Build' to fetch it"
        : TorchFiles.IsScript ? $"add the line  #r \"nuget: {TorchFiles.Package}, {TorchFiles.Version}\"  to the script"
        : $"run 'dotnet add package {TorchFiles.Package} --version {TorchFiles.Version}' in the program's project";

    private static string BridgeFile() => TorchFiles.Bridges.FirstOrDefault(File.Exists) ?? throw new TorchNotLoadableException(
        $"TorchSharp's native library ({TorchFiles.Bridge}) was not found: "
        + (TorchFiles.IsRecorded ? "run 'dotnet fsi build.fsx -t Build' to fetch it." : $"build or publish this program for {TorchFiles.Rid}."));

    private static string LoadBridge(string original)
    {
        if (!NativeLibrary.TryLoad(original, out var bridge) && OperatingSystem.IsLinux())
        {
            byte[] image = File.ReadAllBytes(original);
            if (ElfVersions.Weaken(image, NewerThanDebian12) > 0)
            {
                LoadCopy(image, [Path.GetTempPath(), "/tmp", "/dev/shm", AppContext.BaseDirectory], copy => bridge = NativeLibrary.Load(copy));
                original += $" with {NewerThanDebian12} made optional";
            }
        }

        Loaded["LibTorchSharp"] = bridge != 0 ? bridge : NativeLibrary.Load(original); // something else is wrong: let the loader say what
        return original;
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

    private static bool HasTorch(string folder) => File.Exists(Path.Combine(folder, TorchFiles.Torch));

    /// <summary>The loader's own words: the last line of .NET's message, after a paragraph of advice.</summary>
    private static string Reason(Exception e) =>
        e.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^1].TrimEnd('.');
}
