using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The safetensors file format: named tensors and a map of text, readable from Python without pickle.</summary>
/// <remarks>
/// Layout: length of the header (64-bit little-endian), header (JSON: name → dtype, shape, data offsets; <c>__metadata__</c> →
/// text by name), data. Entries are written in ordinal order of their names, so equal contents give equal bytes.
/// </remarks>
public static class Safetensors
{
    private const int MaxHeader = 100_000_000;

    private static readonly (string Name, ScalarType Type)[] Types =
    [
        ("F32", ScalarType.Float32), ("F64", ScalarType.Float64), ("I64", ScalarType.Int64), ("I32", ScalarType.Int32),
        ("I16", ScalarType.Int16), ("I8", ScalarType.Int8), ("U8", ScalarType.Byte), ("BOOL", ScalarType.Bool),
        ("F16", ScalarType.Float16), ("BF16", ScalarType.BFloat16),
    ];

    /// <summary>Writes a file's contents.</summary>
    /// <param name="stream">Receives the bytes.</param>
    /// <param name="tensors">Tensors by name, on any device.</param>
    /// <param name="metadata">Text by name.</param>
    public static void Write(Stream stream, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var ordered = tensors.OrderBy(t => t.Key, StringComparer.Ordinal).ToList();
        var header = new JsonObject
        {
            ["__metadata__"] = new JsonObject(metadata.OrderBy(m => m.Key, StringComparer.Ordinal)
                .Select(m => KeyValuePair.Create(m.Key, (JsonNode?)JsonValue.Create(m.Value)))),
        };
        long offset = 0;
        foreach (var (name, tensor) in ordered)
        {
            var bytes = tensor.numel() * tensor.element_size();
            header[name] = new JsonObject
            {
                ["dtype"] = Types.First(t => t.Type == tensor.dtype).Name,
                ["shape"] = new JsonArray(tensor.shape.Select(s => (JsonNode?)JsonValue.Create(s)).ToArray()),
                ["data_offsets"] = new JsonArray(JsonValue.Create(offset), JsonValue.Create(offset + bytes)),
            };
            offset += bytes;
        }

        var text = Encoding.UTF8.GetBytes(header.ToJsonString(ConfigJson.Line));
        var padded = (text.Length + 7) / 8 * 8;
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, padded);
        stream.Write(length);
        stream.Write(text);
        for (var i = text.Length; i < padded; i++) stream.WriteByte((byte)' ');
        foreach (var (_, tensor) in ordered)
        {
            using var cpu = tensor.detach().cpu().contiguous();
            if (cpu.numel() > 0) stream.Write(cpu.bytes);
        }
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>Tensors on the CPU, owned by the caller, and the text by name.</returns>
    /// <exception cref="InvalidDataException">The file is not in this format, or is cut short.</exception>
    public static (Dictionary<string, Tensor> Tensors, Dictionary<string, string> Metadata) Read(string path)
    {
        using var stream = File.OpenRead(path);
        Span<byte> prefix = stackalloc byte[8];
        if (stream.Length < 8) throw Damaged(path, "is shorter than its header");
        stream.ReadExactly(prefix);
        var length = BinaryPrimitives.ReadInt64LittleEndian(prefix);
        if (length is < 2 or > MaxHeader || length > stream.Length - 8) throw Damaged(path, "has an impossible header length");
        var text = new byte[length];
        stream.ReadExactly(text);
        var tensors = new Dictionary<string, Tensor>();
        var metadata = new Dictionary<string, string>();
        try
        {
            var data = stream.Position;
            foreach (var (name, entry) in JsonNode.Parse(text)!.AsObject())
            {
                if (name == "__metadata__")
                {
                    foreach (var (key, value) in entry!.AsObject()) metadata[key] = value!.GetValue<string>();
                    continue;
                }

                var type = Types.First(t => t.Name == entry!["dtype"]!.GetValue<string>()).Type;
                var shape = entry!["shape"]!.AsArray().Select(s => s!.GetValue<long>()).ToArray();
                var begin = entry["data_offsets"]![0]!.GetValue<long>();
                var end = entry["data_offsets"]![1]!.GetValue<long>();

                // Before anything is allocated: a damaged header may ask for any size.
                if (begin < 0 || end < begin || end > stream.Length - data || shape.Any(s => s < 0) || end - begin != Bytes(shape, type))
                    throw Damaged(path, $"has impossible offsets for '{name}'");
                var tensor = empty(shape, dtype: type);
                tensors[name] = tensor;
                stream.Position = data + begin;
                if (tensor.numel() > 0) stream.ReadExactly(tensor.bytes);
            }
        }
        catch (Exception e)
        {
            foreach (var tensor in tensors.Values) tensor.Dispose();
            if (e is not (JsonException or InvalidOperationException or NullReferenceException or FormatException or ArgumentException or OverflowException)) throw;
            throw Damaged(path, "has an unreadable header", e);
        }

        return (tensors, metadata);
    }

    private static long Bytes(long[] shape, ScalarType type)
    {
        using var element = empty(0, dtype: type);
        return shape.Aggregate(element.element_size(), (bytes, s) => checked(bytes * s));
    }

    private static InvalidDataException Damaged(string path, string what, Exception? inner = null) =>
        new($"{path} {what}: it is damaged or not a safetensors file", inner);
}
