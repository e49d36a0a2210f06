using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Noisy.Core;

/// <summary>Reads the safetensors format without torch: named tensors and a map of text.</summary>
/// <remarks>
/// Layout: length of the header (64-bit little-endian), header (JSON: name → dtype, shape, data offsets; <c>__metadata__</c> →
/// text by name), data without gaps. F16 and BF16 are turned into single precision, F64 too where nothing is lost; where something is,
/// only if the caller says so. Nothing is allocated on the word of a header: sizes are compared with the stream's length first.
/// </remarks>
public static class SafetensorsReader
{
    /// <summary>Reads a stream to its end.</summary>
    /// <param name="stream">The bytes; the caller closes it. One that cannot seek is copied to memory first, 2 GB at most.</param>
    /// <param name="narrow">Whether numbers in double precision may be rounded to single.</param>
    /// <returns>What it holds.</returns>
    /// <exception cref="InvalidDataException">It is damaged, cut short or no safetensors file, or would be rounded; the message says
    /// where, as the rest of a sentence that begins with the file's name.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static SafetensorsContent Read(Stream stream, bool narrow = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanSeek) stream = Copy(stream);
        var header = SafetensorsHeader.Read(stream);
        var tensors = new Dictionary<string, FloatTensor>(StringComparer.Ordinal);
        var others = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in header.Entries)
        {
            if (ElementSize(entry.Type) is var size && size == 0)
            {
                others.Add(entry.Name, entry.Type);
                stream.Position += entry.Bytes;
                continue;
            }

            if (entry.Bytes / size > Array.MaxLength || entry.Shape.Any(s => s > int.MaxValue))
                throw new InvalidDataException($"its tensor '{entry.Name}' has [{string.Join(", ", entry.Shape)}] numbers, more than can be read here");
            tensors.Add(entry.Name, new FloatTensor(
                entry.Name, Array.ConvertAll(entry.Shape, s => (int)s), Values(stream, entry, (int)(entry.Bytes / size), narrow)));
        }

        return new(tensors, header.Metadata, others);
    }

    private static MemoryStream Copy(Stream stream)
    {
        var copy = new MemoryStream();
        var piece = new byte[1 << 16];
        for (int read; (read = stream.Read(piece)) > 0;)
        {
            if (copy.Length + read > Array.MaxLength) throw new InvalidDataException("it is longer than 2 GB and comes from a stream that cannot seek");
            copy.Write(piece, 0, read);
        }

        copy.Position = 0;
        return copy;
    }

    /// <summary>Bytes of a number; 0 for types that are not read.</summary>
    private static int ElementSize(string type) => type switch { "F64" => 8, "F32" => 4, "F16" or "BF16" => 2, _ => 0 };

    private static float[] Values(Stream stream, SafetensorsEntry entry, int count, bool narrow)
    {
        var type = entry.Type;
        var values = new float[count];
        if (type == "F32" && BitConverter.IsLittleEndian)
        {
            // A piece at a time: a span has less than 2 GiB of bytes.
            for (var rest = values.AsSpan(); !rest.IsEmpty;)
            {
                var piece = rest[..Math.Min(rest.Length, 1 << 26)];
                stream.ReadExactly(MemoryMarshal.AsBytes(piece));
                rest = rest[piece.Length..];
            }

            return values;
        }

        var size = ElementSize(type);
        var bytes = new byte[Math.Min(count, 8192) * size];
        for (var first = 0L; first < count; first += bytes.Length / size)
        {
            var block = bytes.AsSpan(0, (int)Math.Min(bytes.Length, (count - first) * size));
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

    private static float Narrow(double value, SafetensorsEntry entry, bool narrow) => narrow || (float)value == value || double.IsNaN(value)
        ? (float)value
        : throw new InvalidDataException(
            $"its tensor '{entry.Name}' is in double precision (F64) and has digits that single precision would lose: "
            + "read it with narrow: true, or save it in single precision");
}
