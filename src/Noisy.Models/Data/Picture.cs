using System.Buffers.Binary;
using System.Formats.Tar;
using System.IO.Compression;

namespace Noisy.Models;

/// <summary>A picture as a browser takes it.</summary>
/// <param name="MediaType">Such as "image/jpeg".</param>
/// <param name="Bytes">The file.</param>
public sealed record Picture(string MediaType, byte[] Bytes)
{
    private const int Header = 54;

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

    /// <summary>Some of the JPEG files of an archive.</summary>
    /// <param name="path">A .tar.gz file.</param>
    /// <param name="names">Names of the files that are wanted.</param>
    /// <returns>Those that are there, by name.</returns>
    /// <exception cref="DataException">The archive is damaged.</exception>
    public static IReadOnlyDictionary<string, Picture> FromArchive(string path, IReadOnlySet<string> names)
    {
        try
        {
            using var unzipped = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
            using var archive = new TarReader(unzipped);
            var found = new Dictionary<string, Picture>(StringComparer.Ordinal);
            while (archive.GetNextEntry() is { } entry)
            {
                var name = Path.GetFileName(entry.Name);
                if (entry.DataStream is null || !names.Contains(name)) continue;
                using var memory = new MemoryStream();
                entry.DataStream.CopyTo(memory);
                found[name] = new("image/jpeg", memory.ToArray());
            }

            return found;
        }
        catch (Exception error) when (error is InvalidDataException or IOException or FormatException)
        {
            throw new DataException($"'{path}' is not a whole .tar.gz archive ({error.Message.TrimEnd('.')}); put a sound one there, or none: only the gallery needs it.", error);
        }
    }
}
