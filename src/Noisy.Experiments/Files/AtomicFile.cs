using System.Security.Cryptography;
using Noisy.Models;

namespace Noisy.Experiments;

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
        RemoveLeftovers(path);
        try
        {
            // Open, and with that locked, until it has its name where the system allows that: so that another process does not take it for a
            // leftover.
            using var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.Delete, 1 << 20);
            write(stream);
            stream.Flush(flushToDisk: true);
            SharedFile.Replace(stream, path);
        }
        catch
        {
            TryDelete(temporary);
            throw;
        }
    }

    /// <summary>Writes a file and tells its SHA-256, taken from what was written and not from what the disk gives back.</summary>
    /// <inheritdoc cref="Write(string, Action{Stream})"/>
    /// <returns>The checksum, lower-case hexadecimal.</returns>
    public static string WriteHashed(string path, Action<Stream> write)
    {
        var hash = "";
        Write(path, stream =>
        {
            using var sha = SHA256.Create();
            using (var hashing = new CryptoStream(stream, sha, CryptoStreamMode.Write, leaveOpen: true)) write(hashing);
            hash = Convert.ToHexStringLower(sha.Hash!);
        });
        return hash;
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

    // Removes what processes that were killed while they wrote this file have left beside it.
    private static void RemoveLeftovers(string path)
    {
        try
        {
            var full = Path.GetFullPath(path);
            foreach (var leftover in Directory.EnumerateFiles(Path.GetDirectoryName(full)!, "*.tmp"))
                if (IsTemporaryOf(full, leftover) && DateTime.UtcNow - File.GetLastWriteTimeUtc(leftover) > Start && IsUnheld(leftover))
                    File.Delete(leftover);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // They are harmless; whether the file itself can be written will be seen.
        }
    }

    private static bool IsTemporaryOf(string path, string file) =>
        file.Length == path.Length + 1 + 32 + 4 && file.StartsWith(path + ".", StringComparison.Ordinal);

    // A file is created before it is locked; no killed process is back sooner than this.
    private static readonly TimeSpan Start = TimeSpan.FromMilliseconds(200);

    private static bool IsUnheld(string path)
    {
        try
        {
            new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // another process is writing it, or has renamed it
        }
    }
}
