using System.Buffers.Binary;
using System.Formats.Tar;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>A picture as a browser takes it.</summary>
/// <param name="MediaType">Such as "image/jpeg".</param>
/// <param name="Bytes">The file.</param>
public sealed record Picture(string MediaType, byte[] Bytes)
{
    private const int Header = 54;
    private const long MaxArchive = 1L << 30, MaxPicture = 1L << 24, MaxShown = 1L << 21;
    private const string Remedy = "Put a sound archive there, or none: only the gallery needs it.";

    /// <summary>The address of the picture within a page.</summary>
    public string DataAddress => $"data:{MediaType};base64,{Convert.ToBase64String(Bytes)}";

    /// <summary>A picture of its pixels, as an uncompressed bitmap.</summary>
    /// <param name="width">Columns, ≥ 1.</param>
    /// <param name="pixels">Red, green and blue of each pixel, row by row from the top.</param>
    public static Picture OfPixels(int width, byte[] pixels)
    {
        var height = pixels.Length / (3 * width);
        var stride = ((3 * width) + 3) / 4 * 4; // lines fill whole words
        var file = new byte[Header + (stride * height)];
        void Number(int at, int value) => BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(at), value);
        (file[0], file[1]) = ((byte)'B', (byte)'M');
        Number(2, file.Length);
        Number(10, Header);
        Number(14, 40);
        Number(18, width);
        Number(22, -height); // from the top
        Number(26, 1 | (24 << 16));
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var (from, to) = (3 * ((y * width) + x), Header + (y * stride) + (3 * x));
                (file[to], file[to + 1], file[to + 2]) = (pixels[from + 2], pixels[from + 1], pixels[from]);
            }
        }

        return new("image/bmp", file);
    }

    /// <summary>A file, to be shown; null if it is not there, cannot be read, or has more than 2 MiB, which would make pages too large.</summary>
    /// <param name="path">A JPEG, PNG, WebP, GIF or BMP file.</param>
    internal static Picture? FromFile(string path)
    {
        try
        {
            var kind = Path.GetExtension(path).ToLowerInvariant() is var extension && extension is ".jpg" ? "jpeg" : extension.TrimStart('.');
            return new FileInfo(path) is { Exists: true, Length: <= MaxShown } ? new("image/" + kind, File.ReadAllBytes(path)) : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Some of the JPEG files of an archive.</summary>
    /// <param name="path">A .tar.gz file, of 1 GiB at most when unpacked.</param>
    /// <param name="names">Names of the files that are wanted, each of 16 MiB at most.</param>
    /// <returns>Those that are there, by name.</returns>
    /// <exception cref="DataException">The archive cannot be read, is damaged or larger.</exception>
    public static IReadOnlyDictionary<string, Picture> FromArchive(string path, IReadOnlySet<string> names)
    {
        try
        {
            // Unpacked to memory first: TarReader believes the sizes that an archive announces.
            using var unzipped = new MemoryStream(DataFile.Read(path, Remedy, MaxArchive), writable: false);
            using var archive = new TarReader(unzipped);
            var found = new Dictionary<string, Picture>(StringComparer.Ordinal);
            while (archive.GetNextEntry() is { } entry)
            {
                var name = Path.GetFileName(entry.Name);
                if (entry.DataStream is not { } data || !names.Contains(name)) continue;
                if (data.Length > Math.Min(MaxPicture, unzipped.Length)) throw new InvalidDataException($"'{name}' in it announces {data.Length:N0} bytes");
                using var memory = new MemoryStream();
                data.CopyTo(memory);
                found[name] = new("image/jpeg", memory.ToArray());
            }

            return found;
        }
        catch (Exception error) when (error is InvalidDataException or IOException or FormatException or ArgumentException or OverflowException)
        {
            throw new DataException($"'{path}' is not a whole .tar.gz archive ({error.Message.TrimEnd('.')}). {Remedy}", error);
        }
    }
}
