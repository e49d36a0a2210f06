using System.Buffers.Binary;
using System.IO.Compression;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>A file of data that is being read, plain or gzip: its uncompressed bytes in order, and how many they must be.</summary>
/// <remarks>Both forms tell their length beforehand: a plain file by its size, gzip by its last word. Nothing is allocated for what is
/// longer than is accepted, and reading stops where a false announcement is overrun. So a small file that claims any size, or unpacks
/// to it, costs next to nothing.</remarks>
internal sealed class StoredFile : IDisposable
{
    // The smallest gzip file; the bytes that one of its can stand for at most; and how many if there are many: real data come to 20.
    private const int SmallestGzip = 18, PossibleRatio = 1032, LargestRatio = 200;
    private const long Many = 1L << 26;

    private static ReadOnlySpan<byte> Magic => [0x1F, 0x8B];

    private readonly string path, remedy;
    private readonly FileStream stored;
    private readonly Stream content;
    private readonly bool zipped;
    private readonly long maxBytes;
    private long taken;

    private StoredFile(FileStream stored, string path, string remedy, long maxBytes)
    {
        (this.stored, this.path, this.remedy, zipped) = (stored, path, remedy, path.EndsWith(".gz", StringComparison.Ordinal));
        content = stored;
        this.maxBytes = maxBytes;
        if (zipped)
        {
            Length = Announced();
            content = new GZipStream(stored, CompressionMode.Decompress);
        }
        else if (stored.CanSeek && stored.Length > 0)
        {
            Length = stored.Length;
        }

        if (Length > maxBytes) throw TooLong(zipped ? $"{Length:N0}, by its end, if it is not cut short" : $"{Length:N0}");
        if (zipped && Length > Math.Max(Many, LargestRatio * stored.Length))
        {
            throw new DataException(
                $"'{path}' unpacks to {Length:N0} bytes, more than {LargestRatio} times what is stored: no data are packed so tightly. {remedy}");
        }
    }

    /// <summary>Uncompressed bytes that the file has if it is whole; null if it does not tell, as a pipe does not.</summary>
    internal long? Length { get; }

    /// <summary>Opens a file, lets it be read, and turns whatever goes wrong into one sentence for the user.</summary>
    /// <param name="path">The file; gzip, made in one part, if its name ends in ".gz".</param>
    /// <param name="remedy">What the user can do; a sentence that ends every message.</param>
    /// <param name="maxBytes">The most uncompressed bytes to accept.</param>
    /// <param name="read">Reads it; what it leaves must be nothing.</param>
    /// <exception cref="DataException">The file cannot be read, holds more than is accepted, or is no whole gzip file.</exception>
    internal static T Read<T>(string path, string remedy, long maxBytes, Func<StoredFile, T> read)
    {
        try
        {
            using var stored = File.OpenRead(path);
            using var file = new StoredFile(stored, path, remedy, maxBytes);
            var result = read(file);
            file.CheckEnd();
            return result;
        }
        catch (ArgumentException error) when (path.Length == 0 || path.Contains('\0'))
        {
            throw new DataException($"'{path}' is no name of a file. {remedy}", error);
        }
        catch (InvalidDataException error)
        {
            throw new DataException($"'{path}' is not a whole gzip file: it is damaged, cut short or of another kind. {remedy}", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new DataException($"'{path}' cannot be read ({error.Message.TrimEnd('.')}). {remedy}", error);
        }
    }

    /// <summary>Reads until a piece is full or the file ends.</summary>
    /// <returns>Bytes read; fewer only at the end.</returns>
    internal int Fill(Span<byte> piece)
    {
        var read = content.ReadAtLeast(piece, piece.Length, throwOnEndOfStream: false);
        taken += read;
        return read;
    }

    /// <summary>Reads all that there is, or that the file announced.</summary>
    internal byte[] ToEnd()
    {
        if (Length is { } length)
        {
            if (length > Array.MaxLength) throw TooLong($"{length:N0}");
            var whole = new byte[length];
            var read = Fill(whole);
            return read == length ? whole : whole[..read];
        }

        using var memory = new MemoryStream();
        var piece = new byte[1 << 16];
        for (int some; (some = Fill(piece)) > 0;)
        {
            if (taken > maxBytes) throw TooLong("it has no end so far");
            memory.Write(piece, 0, some);
        }

        return memory.ToArray();
    }

    /// <inheritdoc/>
    public void Dispose() => content.Dispose();

    /// <summary>Whether all was read, and no more: GZipStream takes a file that is cut short for a whole one.</summary>
    private void CheckEnd()
    {
        if (taken == (Length ?? taken) && content.ReadByte() < 0) return;
        throw zipped
            ? new InvalidDataException()
            : new DataException($"'{path}' was changed while it was read: it had {Length:N0} bytes. {remedy}");
    }

    private DataException TooLong(string found) => new($"'{path}' holds more than {maxBytes:N0} bytes ({found}). {remedy}");

    /// <summary>The uncompressed length by the last word of a gzip file, which holds its lower 32 bits.</summary>
    private long Announced()
    {
        if (stored.Length < SmallestGzip) throw new InvalidDataException();
        Span<byte> word = stackalloc byte[4];
        stored.ReadExactly(word);
        if (!word.StartsWith(Magic)) throw new InvalidDataException();
        stored.Seek(-word.Length, SeekOrigin.End);
        stored.ReadExactly(word);
        stored.Position = 0;
        long length = BinaryPrimitives.ReadUInt32LittleEndian(word);
        return length <= PossibleRatio * stored.Length ? length : throw new InvalidDataException();
    }
}
