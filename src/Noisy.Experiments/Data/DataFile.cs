using System.Security.Cryptography;
using System.Text;
using System.Text.Unicode;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Reads whole files of data; whatever goes wrong becomes one sentence for the user.</summary>
public static class DataFile
{
    // UTF-32 first: its mark begins as that of UTF-16.
    private static readonly Encoding[] Wide =
    [
        new UTF32Encoding(false, true, true), new UTF32Encoding(true, true, true),
        new UnicodeEncoding(false, true, true), new UnicodeEncoding(true, true, true),
    ];

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

    /// <summary>The text of a file: UTF-8, or UTF-16 or UTF-32 if a mark of byte order at its start says so. The mark is not text.</summary>
    /// <param name="bytes">Its content.</param>
    /// <param name="path">Its name, for the message.</param>
    /// <param name="remedy">What the user can do; a sentence that ends the message, unless that tells what to do with such a kind of file.</param>
    /// <exception cref="DataException">The content is a known kind of file that is no text, which the message names, or it is not such text; the
    /// message names the first line that is not.</exception>
    public static string DecodeText(ReadOnlySpan<byte> bytes, string path, string remedy)
    {
        if (FileKind.Refusal(bytes, path) is { } refusal) throw new DataException(refusal);
        foreach (var encoding in Wide)
        {
            if (!bytes.StartsWith(encoding.Preamble)) continue;
            try
            {
                return encoding.GetString(bytes[encoding.Preamble.Length..]);
            }
            catch (DecoderFallbackException error)
            {
                throw new DataException(
                    $"'{path}' begins as {encoding.WebName} text, but is none further on: it is damaged or cut short. {remedy}", error);
            }
        }

        if (bytes.StartsWith(Encoding.UTF8.Preamble)) bytes = bytes[Encoding.UTF8.Preamble.Length..];
        if (Utf8.IsValid(bytes) && !bytes.Contains((byte)0)) return Encoding.UTF8.GetString(bytes);
        var line = 0;
        foreach (var range in bytes.Split((byte)'\n'))
        {
            line++;
            var piece = bytes[range];
            if (piece.Contains((byte)0))
                throw new DataException(
                    $"'{path}', line {line:N0}: there is a byte 0, so it is UTF-16 without a mark, or no text; save it as UTF-8. {remedy}");
            if (!Utf8.IsValid(piece)) break;
        }

        throw new DataException(
            $"'{path}', line {line:N0}: the bytes are not UTF-8 text; if they are Windows' or Latin-1, save the file as UTF-8 in an editor, or by "
            + $"'iconv -f WINDOWS-1252 -t UTF-8'. {remedy}");
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
