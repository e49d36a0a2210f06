namespace Noisy.Models;

/// <summary>Files that another process may be reading or writing at this moment, which Windows refuses where others do not.</summary>
internal static class SharedFile
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Gives a file that was just written its name, in place of the one that has it.</summary>
    /// <param name="written">The file, still open; closed afterwards, on Windows before it is renamed.</param>
    /// <param name="path">The name.</param>
    /// <exception cref="IOException">It cannot be renamed; on Windows, somebody has kept the old file open for seconds.</exception>
    internal static void Replace(FileStream written, string path)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.Move(written.Name, path, overwrite: true);
            return;
        }

        written.Dispose();
        Patiently(() => File.Move(written.Name, path, overwrite: true), Patience);
    }

    /// <summary>All of a file that another process may be appending to.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    internal static byte[] ReadAllBytes(string path)
    {
        if (!OperatingSystem.IsWindows()) return Read(path);
        byte[] bytes = [];
        Patiently(() => bytes = Read(path), Patience);
        return bytes;
    }

    /// <summary>Tries again while a file is in use.</summary>
    /// <param name="work">What may fail.</param>
    /// <param name="patience">How long to try; then its exception is the caller's.</param>
    internal static void Patiently(Action work, TimeSpan patience)
    {
        for (var start = Environment.TickCount64; ; Thread.Sleep(10))
        {
            try
            {
                work();
                return;
            }
            catch (Exception e) when (e is (IOException or UnauthorizedAccessException) and not (FileNotFoundException or DirectoryNotFoundException)
                && Environment.TickCount64 - start < patience.TotalMilliseconds)
            {
            }
        }
    }

    private static byte[] Read(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var content = new MemoryStream();
        stream.CopyTo(content);
        return content.ToArray();
    }
}
