using System.Buffers.Binary;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Unicode;

namespace Noisy.Models;

/// <summary>Reads whole files of data; whatever goes wrong becomes one sentence for the user.</summary>
public static class DataFile
{
    private const int Chunk = 1 << 16;

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
    /// <param name="maxBytes">The most bytes to accept after decompression; default 1 GiB.</param>
    /// <exception cref="DataException">The file cannot be read, is not a whole gzip file, or is larger.</exception>
    public static byte[] Read(string path, string remedy, long maxBytes = 1L << 30)
    {
        try
        {
            var stored = File.ReadAllBytes(path);
            var content = path.EndsWith(".gz", StringComparison.Ordinal) ? Unzip(stored, maxBytes) : stored;
            return content.LongLength <= maxBytes
                ? content
                : throw new DataException($"'{path}' holds more than {maxBytes:N0} bytes. {remedy}");
        }
        catch (InvalidDataException error)
        {
            throw new DataException(
                $"'{path}' is not a whole gzip file: it is damaged, cut short or of another kind. {remedy}", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"'{path}' cannot be read ({error.Message.TrimEnd('.')}). {remedy}", error);
        }
    }

    /// <summary>The text of a UTF-8 file.</summary>
    /// <param name="bytes">Its content.</param>
    /// <param name="path">Its name, for the message.</param>
    /// <param name="remedy">What the user can do; a sentence that ends the message.</param>
    /// <exception cref="DataException">The content is not UTF-8; the message names the first such line.</exception>
    public static string DecodeUtf8(ReadOnlySpan<byte> bytes, string path, string remedy)
    {
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

    /// <summary>The uncompressed content, or somewhat more than the limit of it.</summary>
    private static byte[] Unzip(byte[] stored, long maxBytes)
    {
        using var unzipped = new GZipStream(new MemoryStream(stored), CompressionMode.Decompress);
        using var memory = new MemoryStream();
        var buffer = new byte[Chunk];
        for (int read; memory.Length <= maxBytes && (read = unzipped.Read(buffer)) > 0;)
        {
            memory.Write(buffer, 0, read);
        }

        // GZipStream takes a file that is cut short for a whole one; the last word of a whole one is its content's length.
        const int smallest = 18;
        return memory.Length > maxBytes
            || (stored.Length >= smallest && BinaryPrimitives.ReadUInt32LittleEndian(stored.AsSpan(stored.Length - 4)) == (uint)memory.Length)
            ? memory.ToArray()
            : throw new InvalidDataException();
    }
}
