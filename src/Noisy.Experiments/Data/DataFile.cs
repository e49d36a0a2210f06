using System.Security.Cryptography;
using System.Text;
using System.Text.Unicode;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Reads whole files of data; whatever goes wrong becomes one sentence for the user.</summary>
public static class DataFile
{
    /// <summary>The file of that name in a folder, plain or compressed.</summary>
    /// <param name="folder">Where to look.</param>
    /// <param name="name">Name without ".gz".</param>
    /// <returns>Path of the plain file, else of the one with ".gz" at its end, else null.</returns>
    public static string? Find(string folder, string name)
    {
        var plain = Path.Combine(folder, name);
        return File.Exists(plain) ? plain : File.Exists(plain + ".gz") ? plain + ".gz" : null;
    }

    /// <summary>The uncompressed content of a file.</summary>
    /// <param name="path">A plain file, or one whose name ends in ".gz" and which gzip made in one part.</param>
    /// <param name="remedy">What the user can do; a sentence that ends the message.</param>
    /// <param name="maxBytes">The most uncompressed bytes to accept; default 512 MiB, which is more than any text that fits
    /// these programs. A file that announces more is refused before anything is allocated.</param>
    /// <exception cref="DataException">The file cannot be read, is not a whole gzip file, or is larger.</exception>
    public static byte[] Read(string path, string remedy, long maxBytes = 1L << 29) =>
        StoredFile.Read(path, remedy, maxBytes, file => file.ToEnd());

    /// <summary>What tells whether a file is still the one that was read: its full path, length and time of the last change.</summary>
    /// <param name="path">The file; need not exist.</param>
    internal static string Stamp(string path)
    {
        var file = new FileInfo(path);
        return file.Exists ? $"{file.FullName} {file.Length} {file.LastWriteTimeUtc.Ticks}" : file.FullName;
    }

    /// <summary>The text of a UTF-8 file; a mark of byte order at its start is not text.</summary>
    /// <param name="bytes">Its content.</param>
    /// <param name="path">Its name, for the message.</param>
    /// <param name="remedy">What the user can do; a sentence that ends the message.</param>
    /// <exception cref="DataException">The content is not UTF-8; the message names the first such line.</exception>
    public static string DecodeUtf8(ReadOnlySpan<byte> bytes, string path, string remedy)
    {
        if (bytes.StartsWith(Encoding.UTF8.Preamble))
        {
            bytes = bytes[Encoding.UTF8.Preamble.Length..];
        }

        if (Utf8.IsValid(bytes))
        {
            return Encoding.UTF8.GetString(bytes);
        }

        var line = 0;
        foreach (var range in bytes.Split((byte)'\n'))
        {
            line++;
            if (!Utf8.IsValid(bytes[range]))
            {
                break;
            }
        }

        throw new DataException($"'{path}', line {line}: the bytes are not UTF-8 text. {remedy}");
    }

    /// <summary>SHA-256 of some contents, one after the other.</summary>
    /// <param name="contents">The contents, in order.</param>
    /// <returns>64 lower-case hexadecimal digits.</returns>
    public static string Sha256(params byte[][] contents)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var content in contents)
        {
            hash.AppendData(content);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
