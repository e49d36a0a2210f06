using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>A lock of the operating system's on a file, held until it is disposed; a killed process leaves none behind.</summary>
internal sealed class FileLock : IDisposable
{
    // What .NET says of a file that another handle has locked: EAGAIN on Linux and macOS, a sharing violation on Windows. Every other
    // failure, such as a read-only disk, will not pass however long one waits.
    private const int LinuxHeld = 11, MacHeld = 35, WindowsHeld = unchecked((int)0x80070020);
    private const string Deleted = " (deleted)"; // Linux appends it to the place of an open file that no folder has any more
    private readonly string file;
    private readonly FileStream stream;
    private readonly string? place;

    private FileLock(string file, FileStream stream) => (this.file, this.stream, place) = (file, stream, Place(stream));

    /// <summary>Whether the file that is locked is still the one that others would find, so that they are kept out. Not so once its folder
    /// was deleted or moved, even if there is another file of the name by now.</summary>
    public bool IsHeld => File.Exists(file) && Place(stream) == place;

    /// <summary>Waits for the lock.</summary>
    /// <param name="file">The file; created if missing, in a folder that exists.</param>
    /// <param name="patience">How long to wait.</param>
    /// <param name="waiting">Called once if it must wait.</param>
    /// <returns>The lock; null if another still holds it.</returns>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    public static FileLock? Take(string file, TimeSpan patience, Action waiting)
    {
        var start = Environment.TickCount64;
        for (var told = false; ; told = true)
        {
            if (TryTake(file) is { } taken) return taken;
            if (Environment.TickCount64 - start > patience.TotalMilliseconds) return null;
            if (!told) waiting();
            Thread.Sleep(200);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();

    private static FileLock? TryTake(string file)
    {
        FileStream stream;
        try
        {
            stream = new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e.HResult is LinuxHeld or MacHeld or WindowsHeld)
        {
            return null;
        }

        var taken = new FileLock(file, stream);
        if (taken.IsHeld && taken.place?.EndsWith(Deleted, StringComparison.Ordinal) != true) return taken;
        taken.Dispose(); // it was deleted between being opened and being locked
        return null;
    }

    // Linux tells where an open file is now; elsewhere, and without /proc, the path has to do.
    private static string? Place(FileStream stream) => new FileInfo($"/proc/self/fd/{stream.SafeFileHandle.DangerousGetHandle()}").LinkTarget;
}
