using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Noisy.Models;

/// <summary>A protobuf message, field by field. ONNX files have a dozen kinds of them, too few for generated classes.</summary>
/// <remarks>Source: protobuf's encoding; a field is its number and kind, then the value, with its length if it has one.</remarks>
internal sealed class ProtoMessage
{
    private const int Varint = 0, Counted = 2, Fixed32 = 5;
    private readonly ArrayBufferWriter<byte> bytes = new();

    /// <summary>All that was added.</summary>
    internal ReadOnlyMemory<byte> Content => bytes.WrittenMemory;

    internal ProtoMessage Add(int field, long value) => Number(field, Varint).Number((ulong)value);

    internal ProtoMessage Add(int field, float value)
    {
        Number(field, Fixed32);
        BinaryPrimitives.WriteSingleLittleEndian(bytes.GetSpan(sizeof(float)), value);
        bytes.Advance(sizeof(float));
        return this;
    }

    internal ProtoMessage Add(int field, string value) => Add(field, Encoding.UTF8.GetBytes(value));

    internal ProtoMessage Add(int field, ProtoMessage value) => Add(field, value.Content.Span);

    internal ProtoMessage Add(int field, ReadOnlySpan<byte> value)
    {
        Number(field, Counted).Number((ulong)value.Length);
        bytes.Write(value);
        return this;
    }

    /// <summary>A repeated field.</summary>
    internal ProtoMessage AddAll<T>(IEnumerable<T> values, Func<ProtoMessage, T, ProtoMessage> add) => values.Aggregate(this, add);

    /// <summary>All fields of another part of the same message.</summary>
    internal ProtoMessage Append(ProtoMessage part)
    {
        bytes.Write(part.Content.Span);
        return this;
    }

    private ProtoMessage Number(int field, int kind) => Number((ulong)((field << 3) | kind));

    /// <summary>Seven bits a byte, the lowest first.</summary>
    private ProtoMessage Number(ulong value)
    {
        const int longest = 10;
        var span = bytes.GetSpan(longest);
        var length = 0;
        for (; value > 0x7F; value >>= 7) span[length++] = (byte)(value | 0x80);
        span[length++] = (byte)value;
        bytes.Advance(length);
        return this;
    }
}
