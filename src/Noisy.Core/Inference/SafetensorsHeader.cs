using System.Buffers.Binary;
using System.Text.Json;

namespace Noisy.Core;

/// <summary>A tensor as a safetensors header announces it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type, one that the format knows, such as "F32".</param>
/// <param name="Shape">Sizes ≥ 0; the product of those above 0 fits 63 bits.</param>
/// <param name="Bytes">Length of its data, which is what type and shape need.</param>
internal sealed record SafetensorsEntry(string Name, string Type, long[] Shape, long Bytes);

/// <summary>The header of a safetensors file; what it says has been compared with the length of the file.</summary>
/// <param name="Entries">The tensors in the order of their data, which follow each other without gaps to the end of the file.</param>
/// <param name="Metadata">Text by name.</param>
internal sealed record SafetensorsHeader(IReadOnlyList<SafetensorsEntry> Entries, IReadOnlyDictionary<string, string> Metadata)
{
    private const int MaxLength = 100_000_000;

    /// <summary>Reads a header and leaves the stream at the first byte of the data.</summary>
    /// <param name="stream">A stream that can seek.</param>
    /// <exception cref="InvalidDataException">It is no safetensors file, is cut short, has bytes too many, or contradicts itself; the
    /// message is the rest of a sentence that begins with the file's name.</exception>
    internal static SafetensorsHeader Read(Stream stream)
    {
        Span<byte> prefix = stackalloc byte[sizeof(long)];
        var left = stream.Length - stream.Position - sizeof(long);
        if (left < 0) throw Damaged("it is shorter than a header");
        stream.ReadExactly(prefix);
        var length = BinaryPrimitives.ReadInt64LittleEndian(prefix);
        if (length is < 2 or > MaxLength || length > left) throw Damaged("its header has an impossible length");
        var header = new byte[length];
        stream.ReadExactly(header);
        try
        {
            using var document = StrictJson.Document(header);
            return Checked(document.RootElement, left - length);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw Damaged(e is JsonException ? $"its header cannot be read ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')})" : "its header cannot be read", e);
        }
    }

    /// <summary>The error of a file that is not what it should be.</summary>
    /// <param name="what">What is wrong with it.</param>
    /// <param name="inner">The cause, if another exception was.</param>
    internal static InvalidDataException Damaged(string what, Exception? inner = null) =>
        new($"{what}: it is damaged or not a safetensors file", inner);

    private static SafetensorsHeader Checked(JsonElement root, long size)
    {
        var places = new List<(long Begin, long End, SafetensorsEntry Entry)>();
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var field in root.EnumerateObject())
        {
            if (field.Name == "__metadata__")
            {
                foreach (var text in field.Value.EnumerateObject())
                    metadata[text.Name] = text.Value.GetString() ?? throw Damaged($"the text '{text.Name}' in its header is null");
            }
            else
            {
                places.Add(Place(field.Name, field.Value));
            }
        }

        var entries = new List<SafetensorsEntry>(places.Count);
        var expected = 0L;
        foreach (var (begin, end, entry) in places.OrderBy(p => p.Begin).ThenBy(p => p.End))
        {
            if (begin != expected || end < begin) throw Damaged($"the place of '{entry.Name}' in it is impossible");
            if (end > size) throw Damaged($"it is cut short: '{entry.Name}' ends at byte {end:N0} of the data, of which there are {size:N0}");
            if (end - begin != entry.Bytes) throw Damaged($"'{entry.Name}' in it has a shape that its bytes do not fill");
            entries.Add(entry);
            expected = end;
        }

        return expected == size ? new(entries, metadata) : throw Damaged($"{size - expected:N0} bytes follow its last tensor");
    }

    private static (long Begin, long End, SafetensorsEntry Entry) Place(string name, JsonElement field)
    {
        var offsets = field.GetProperty("data_offsets");
        if (offsets.GetArrayLength() != 2) throw Damaged($"the place of '{name}' in it is impossible");
        var type = field.GetProperty("dtype").GetString() ?? "null";
        long[] shape = [.. field.GetProperty("shape").EnumerateArray().Select(s => s.GetInt64())];
        if (Bits(type) is not { } bits) throw Damaged($"'{name}' in it has the unknown type '{type}'");
        return (offsets[0].GetInt64(), offsets[1].GetInt64(), new(name, type, shape, Bytes(name, shape, bits)));
    }

    /// <summary>Bytes that a shape needs. Sizes of 0 are left out of the product first, so that none of them hides an impossible one.</summary>
    private static long Bytes(string name, long[] shape, int bits)
    {
        Int128 all = bits;
        foreach (var size in shape.Where(s => s != 0))
        {
            all *= size; // below 2⁶³ · 2⁶³
            if (size < 0 || all > long.MaxValue) throw Damaged($"'{name}' in it has an impossible shape");
        }

        if (shape.Contains(0)) return 0;
        return all % 8 == 0 ? (long)(all / 8) : throw Damaged($"'{name}' in it has a shape that fills no whole byte");
    }

    /// <summary>Bits of a number of each type that the format knows.</summary>
    private static int? Bits(string type) => type switch
    {
        "F4" => 4,
        "F6_E2M3" or "F6_E3M2" => 6,
        "BOOL" or "U8" or "I8" or "F8_E5M2" or "F8_E4M3" or "F8_E8M0" => 8,
        "I16" or "U16" or "F16" or "BF16" => 16,
        "I32" or "U32" or "F32" => 32,
        "I64" or "U64" or "F64" or "C64" => 64,
        _ => null,
    };
}
