using System.Runtime.InteropServices;
using System.Text;

namespace Noisy.Models;

/// <summary>The streams and the screen that this process was started with.</summary>
internal static class Terminal
{
    /// <summary>Whether a standard stream is one that this process was started with.</summary>
    /// <remarks>Where it was closed, as by >&amp;-, its number soon belongs to something else, a pipe of the runtime's or a checkpoint, and what
    /// is printed would end up there. Files that a program opens itself close when it starts another (FD_CLOEXEC); streams that it was given do
    /// not. Windows gives a closed stream no other number.</remarks>
    /// <param name="descriptor">1 for standard output, 2 for standard error.</param>
    internal static bool IsGiven(int descriptor)
    {
        const int getFlags = 1, closesOnExec = 1;
        return OperatingSystem.IsWindows() || (fcntl(descriptor, getFlags) is >= 0 and var flags && (flags & closesOnExec) == 0);
    }

    /// <summary>Lets the signs of tables and charts be written; Windows has one of its old code pages otherwise.</summary>
    internal static void UseUnicode()
    {
        if (!OperatingSystem.IsWindows()) return;
        try
        {
            Console.OutputEncoding = new UTF8Encoding(false);
        }
        catch (IOException)
        {
            // There is no console.
        }
    }

    /// <summary>Whether a browser could show something. On Linux the opener complains at length where there is no screen.</summary>
    internal static bool HasScreen =>
        !OperatingSystem.IsLinux()
        || new[] { "DISPLAY", "WAYLAND_DISPLAY" }.Any(name => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name)));

    [DllImport("libc")]
    private static extern int fcntl(int descriptor, int command);
}
