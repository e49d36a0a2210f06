using System.IO.Compression;

namespace Noisy.Experiments;

/// <summary>Kinds of files that people take for text, told by how they begin.</summary>
internal static class FileKind
{
    private static readonly (byte[] Start, string Is, string Do)[] Known =
    [
        ([0x1F, 0x8B], "is packed by gzip", "give it a name that ends in .gz"),
        ([.. "BZh"u8], "is packed by bzip2", "unpack it with bunzip2"),
        ([0xFD, .. "7zXZ"u8], "is packed by xz", "unpack it with unxz"),
        ([0x28, 0xB5, 0x2F, 0xFD], "is packed by zstd", "unpack it with unzstd"),
        ([.. "7z"u8, 0xBC, 0xAF, 0x27, 0x1C], "is a 7z archive", "unpack it with 7z, and name a file that was in it"),
        ([.. "Rar!"u8], "is a RAR archive", "unpack it with unrar, and name a file that was in it"),
        ([.. "%PDF-"u8], "is a PDF, not plain text", "take its text out with pdftotext"),
        ([.. "{\\rtf"u8], "is rich text (RTF), not plain text", "save it as plain text in UTF-8"),
        ([0xD0, 0xCF, 0x11, 0xE0], "is a document of an older Office, not plain text", "save it as plain text in UTF-8"),
        ([0x89, .. "PNG"u8], "is a picture, not text", "name a text"),
        ([0xFF, 0xD8, 0xFF], "is a picture, not text", "name a text"),
        ([0x93, .. "NUMPY"u8], "is an array (.npy), not text", "name a text"),
    ];

    private static ReadOnlySpan<byte> Zip => "PK\x03\x04"u8;

    /// <summary>Why a file of one of these kinds is no text, and what to do; null if it is of none.</summary>
    /// <param name="bytes">Its content.</param>
    /// <param name="path">Its name.</param>
    public static string? Refusal(ReadOnlySpan<byte> bytes, string path)
    {
        if (bytes.StartsWith(Zip)) return OfZip(bytes, path);
        foreach (var (start, what, advice) in Known)
        {
            if (bytes.StartsWith(start)) return $"'{path}' {what}: {advice}.";
        }

        return null;
    }

    private static string OfZip(ReadOnlySpan<byte> bytes, string path)
    {
        const int shown = 5;
        try
        {
            using var archive = new ZipArchive(new MemoryStream(bytes.ToArray(), writable: false));
            string[] names = [.. archive.Entries.Select(entry => entry.FullName).Where(name => !name.EndsWith('/'))];
            if (names.Contains("[Content_Types].xml") || names.Contains("META-INF/manifest.xml"))
                return $"'{path}' is a document of an office program, not plain text: save it as plain text in UTF-8.";
            if (names.Length == 0) return $"'{path}' is a zip archive, which holds nothing: name another file.";
            var list = string.Join(", ", names.Take(shown).Select(name => $"'{name}'")) + (names.Length > shown ? ", …" : "");
            return $"'{path}' is a zip archive, which holds {list}: unpack it with unzip or your file manager, and name a file that was in it.";
        }
        catch (Exception error) when (error is InvalidDataException or IOException)
        {
            return $"'{path}' is a zip archive, and damaged or cut short: get it again, unpack it, and name a file that was in it.";
        }
    }
}
