namespace Noisy.Models;

/// <summary>Files that are either the old ones or the new ones, never half of each, whenever the process or machine stops.</summary>
internal static class AtomicFile
{
    /// <summary>Writes beside the file, flushes to the disk, then renames over it.</summary>
    /// <param name="path">The file to replace or create.</param>
    /// <param name="write">Writes the contents.</param>
    /// <exception cref="IOException">The contents cannot be written; the old file is untouched and the new one removed.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        // A name of its own each time: two machines or containers that share a folder may have equal process numbers.
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            TryDelete(temporary);
            throw;
        }
    }

    /// <summary>Writes text in UTF-8.</summary>
    public static void Write(string path, string text) => Write(path, s => s.Write(System.Text.Encoding.UTF8.GetBytes(text)));

    /// <summary>Deletes a file if that is possible; a leftover is harmless.</summary>
    public static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }
}
