using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Noisy.Core;

/// <summary>Contents of a safetensors file.</summary>
/// <param name="Tensors">The tensors of floating-point numbers, by name.</param>
/// <param name="Metadata">Text by name.</param>
/// <param name="Others">Names of the tensors of other numbers, which are not read, with their types.</param>
public sealed record SafetensorsContent(
    IReadOnlyDictionary<string, FloatTensor> Tensors, IReadOnlyDictionary<string, string> Metadata, IReadOnlyDictionary<string, string> Others)
{
    /// <summary>A tensor by its name.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="InvalidDataException">There is none of that name, or its numbers are not floating-point.</exception>
    public FloatTensor Tensor(string name) => Tensors.TryGetValue(name, out var tensor)
        ? tensor
        : throw new InvalidDataException(Others.TryGetValue(name, out var type)
            ? $"its tensor '{name}' holds {type}, not floating-point numbers"
            : $"it has no tensor '{name}'");
}

/// <summary>Reads the safetensors format without torch: named tensors and a map of text.</summary>
/// <remarks>
/// Layout: length of the header (64-bit little-endian), header (JSON: name → dtype, shape, data offsets; <c>__metadata__</c> →
/// text by name), data without gaps. F16 and BF16 are turned into single precision, F64 too
/// where nothing is lost; where something is, only if the caller says so. Nothing is allocated on the word of a
/// header: sizes are held against the stream's length first.
/// </remarks>
public static class SafetensorsReader
{
    private const int MaxHeader = 100_000_000;

    /// <summary>Reads a stream to its end.</summary>
    /// <param name="stream">The bytes; the caller closes it.</param>
    /// <param name="narrow">Whether numbers in double precision may be rounded to single.</param>
    /// <returns>What it holds.</returns>
    /// <exception cref="InvalidDataException">It is damaged, cut short or no safetensors file, or would be rounded; the message says
    /// where, as the rest of a sentence that begins with the file's name.</exception>
    public static SafetensorsContent Read(Stream stream, bool narrow = false)
    {
        if (!stream.CanSeek)
        {
            var copy = new MemoryStream();
            stream.CopyTo(copy);
            copy.Position = 0;
            stream = copy;
        }

        var left = stream.Length - stream.Position - sizeof(long);
        Span<byte> prefix = stackalloc byte[sizeof(long)];
        if (left < 0) throw Damaged("it is shorter than a header");
        stream.ReadExactly(prefix);
        var length = BinaryPrimitives.ReadInt64LittleEndian(prefix);
        if (length is < 2 or > MaxHeader || length > left) throw Damaged("its header has an impossible length");
        var header = new byte[length];
        stream.ReadExactly(header);
        var (entries, metadata) = Header(header);
        var tensors = new Dictionary<string, FloatTensor>(StringComparer.Ordinal);
        var others = new Dictionary<string, string>(StringComparer.Ordinal);
        var (start, size, expected) = (stream.Position, left - length, 0L);
        foreach (var entry in entries.OrderBy(e => e.Begin).ThenBy(e => e.End))
        {
            if (entry.Begin != expected || entry.End < entry.Begin) throw Damaged($"the place of '{entry.Name}' in it is impossible");
            if (entry.End > size) throw Damaged($"it is cut short: '{entry.Name}' ends at byte {entry.End:N0} of the data, of which there are {size:N0}");
            expected = entry.End;
            if (ElementSize(entry.Type) is var bytes && bytes == 0)
            {
                others.Add(entry.Name, entry.Type);
                continue;
            }

            if (entry.End - entry.Begin != Count(entry) * bytes) throw Damaged($"'{entry.Name}' in it has a shape that its bytes do not fill");
            stream.Position = start + entry.Begin;
            tensors.Add(entry.Name, new FloatTensor(entry.Name, entry.Shape, Values(stream, entry, (int)Count(entry), narrow)));
        }

        return expected == size ? new(tensors, metadata, others) : throw Damaged($"{size - expected:N0} bytes follow its last tensor");
    }

    private sealed record Entry(string Name, string Type, int[] Shape, long Begin, long End);

    private static (List<Entry> Entries, Dictionary<string, string> Metadata) Header(byte[] header)
    {
        var entries = new List<Entry>();
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        var names = new HashSet<string>(StringComparer.Ordinal);
        try
        {
            using var document = JsonDocument.Parse(header);
            foreach (var field in document.RootElement.EnumerateObject())
            {
                if (!names.Add(field.Name)) throw Damaged($"'{field.Name}' stands in its header twice");
                if (field.Name == "__metadata__")
                {
                    foreach (var text in field.Value.EnumerateObject()) metadata[text.Name] = text.Value.GetString()!;
                    continue;
                }

                var offsets = field.Value.GetProperty("data_offsets");
                if (offsets.GetArrayLength() != 2) throw Damaged($"the place of '{field.Name}' in it is impossible");
                entries.Add(new Entry(
                    field.Name, field.Value.GetProperty("dtype").GetString()!,
                    [.. field.Value.GetProperty("shape").EnumerateArray().Select(s => s.GetInt32())],
                    offsets[0].GetInt64(), offsets[1].GetInt64()));
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw Damaged("its header cannot be read", e);
        }

        return (entries, metadata);
    }

    /// <summary>Bytes of a number; 0 for types that are not floating-point.</summary>
    private static int ElementSize(string type) => type switch { "F64" => 8, "F32" => 4, "F16" or "BF16" => 2, _ => 0 };

    private static long Count(Entry entry)
    {
        var count = 1L;
        foreach (var size in entry.Shape)
        {
            count *= size;
            if (size < 0 || count > Array.MaxLength) throw Damaged($"'{entry.Name}' in it has an impossible shape");
        }

        return count;
    }

    private static float[] Values(Stream stream, Entry entry, int count, bool narrow)
    {
        var type = entry.Type;
        var values = new float[count];
        if (type == "F32" && BitConverter.IsLittleEndian)
        {
            stream.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
            return values;
        }

        var size = ElementSize(type);
        var bytes = new byte[Math.Min(count, 8192) * size];
        for (var first = 0; first < count; first += bytes.Length / size)
        {
            var block = bytes.AsSpan(0, Math.Min(bytes.Length, (count - first) * size));
            stream.ReadExactly(block);
            for (var i = 0; i < block.Length / size; i++)
            {
                var from = block[(i * size)..];
                values[first + i] = type switch
                {
                    "F64" => Narrow(BinaryPrimitives.ReadDoubleLittleEndian(from), entry, narrow),
                    "F32" => BinaryPrimitives.ReadSingleLittleEndian(from),
                    "F16" => (float)BinaryPrimitives.ReadHalfLittleEndian(from),
                    _ => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(from) << 16),
                };
            }
        }

        return values;
    }

    private static float Narrow(double value, Entry entry, bool narrow) => narrow || (float)value == value || double.IsNaN(value)
        ? (float)value
        : throw new InvalidDataException(
            $"'{entry.Name}' in it is in double precision (F64) and has digits that single precision would lose: "
            + "read it with narrow: true, or save it in single precision");

    private static InvalidDataException Damaged(string what, Exception? inner = null) =>
        new($"{what}: it is damaged or not a safetensors file", inner);
}
