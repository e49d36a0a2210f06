using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Noisy.Models;

/// <summary>What the system tells of other processes, and asks of them.</summary>
internal static class OtherProcess
{
    private const int Terminate = 15;

    /// <summary>Whether a process is at work. One that ended and that nobody has asked after is not.</summary>
    internal static bool IsAlive(int id)
    {
        if (OperatingSystem.IsLinux()) return Stat(id) is [not "Z", ..];
        try
        {
            using var other = Process.GetProcessById(id);
            return !other.HasExited;
        }
        catch (Exception e) when (IsGone(e))
        {
            return false;
        }
    }

    /// <summary>The process <c>dotnet fsi</c> that started this one and does nothing but wait for it; 0 if another one did. Known on Linux alone.</summary>
    internal static int Launcher()
    {
        if (!OperatingSystem.IsLinux() || Stat(Environment.ProcessId) is not { Length: > 1 } own) return 0;
        try
        {
            return File.ReadAllText($"/proc/{own[1]}/cmdline").Split('\0') is [var program, "fsi", ..] && Path.GetFileName(program) == "dotnet"
                ? int.Parse(own[1], CultureInfo.InvariantCulture) : 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>When a process began, in the system's words; empty if there is none. With its number it tells a process from later ones.</summary>
    internal static string Since(int id)
    {
        try
        {
            // Ticks since the machine's start.
            if (OperatingSystem.IsLinux())
                return Stat(id) is { Length: > 19 } stat ? $"{File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim()} {stat[19]}" : "";
            using var other = Process.GetProcessById(id);
            return other.StartTime.ToUniversalTime().ToString("s", CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (IsGone(e) || e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>Asks a process of this machine to stop. On Windows, where that cannot be asked, it is ended.</summary>
    internal static void Stop(int id)
    {
        if (!OperatingSystem.IsWindows())
        {
            _ = kill(id, Terminate);
            return;
        }

        try
        {
            using var other = Process.GetProcessById(id);
            other.Kill();
        }
        catch (Exception e) when (IsGone(e))
        {
            // It has ended.
        }
    }

    // What follows "pid (name) ", from the state on; a name may hold anything, so the last bracket counts. Null if there is no such process.
    private static string[]? Stat(int id)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{id}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static bool IsGone(Exception e) => e is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception;

    [DllImport("libc")]
    private static extern int kill(int pid, int signal);
}
