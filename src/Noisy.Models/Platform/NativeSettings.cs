using System.Runtime.InteropServices;

namespace Noisy.Models;

/// <summary>Settings of libtorch's own libraries, which read them once, when they are loaded. A value that the user has set stays.</summary>
internal static class NativeSettings
{
    /// <summary>Names of environment variables, with the values that are given to them unless they have one.</summary>
    internal static IEnumerable<(string Name, string Value)> All
    {
        get
        {
            // Waiting threads may spin for a moment and then sleep; the default, spinning for milliseconds, takes a core from every other
            // thread of the process. GNU's library on Linux counts turns, Intel's and LLVM's elsewhere milliseconds.
            yield return OperatingSystem.IsLinux() ? ("GOMP_SPINCOUNT", "3000") : ("KMP_BLOCKTIME", "1");

            // The same product has the same bits wherever in memory its matrices lie. Without it they differ on AMD's processors, from run to
            // run, and no resumed training repeats an uninterrupted one. MKL is on x64 alone.
            if (RuntimeInformation.ProcessArchitecture == Architecture.X64) yield return ("MKL_CBWR", "AUTO");
        }
    }

    /// <summary>Sets them; before libtorch is loaded.</summary>
    internal static void Set()
    {
        foreach (var (name, value) in All) SetDefault(name, value);
    }

    // The libraries ask the C library's getenv, which does not see what .NET's Environment sets, except on Windows what is linked statically.
    private static void SetDefault(string name, string value)
    {
        if (!OperatingSystem.IsWindows())
        {
            _ = setenv(name, value, overwrite: 0);
        }
        else if (Environment.GetEnvironmentVariable(name) is null)
        {
            Environment.SetEnvironmentVariable(name, value);
            _ = _putenv_s(name, value);
        }
    }

    [DllImport("libc", CharSet = CharSet.Ansi, BestFitMapping = false)]
    private static extern int setenv(string name, string value, int overwrite);

    [DllImport("ucrtbase", CharSet = CharSet.Ansi, BestFitMapping = false)]
    private static extern int _putenv_s(string name, string value);
}
