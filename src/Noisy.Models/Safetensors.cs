using System.Buffers.Binary;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The safetensors file format: named tensors and a map of text, readable from Python without pickle.</summary>
/// <remarks>
/// Layout: length of the header (64-bit little-endian), header (JSON: name → dtype, shape, data offsets; <c>__metadata__</c> →
/// text by name), data. Entries are written in ordinal order of their names, so equal contents give equal bytes.
/// Headers are read and checked by <c>Noisy.Core</c>, as for its reader without torch.
/// </remarks>
public static class Safetensors
{
    private static readonly JsonSerializerOptions HeaderForm = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

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
    /// <exception cref="ArgumentException">A tensor is of a type that the format does not have, such as a complex one; the message names it, and
    /// nothing is written.</exception>
    public static void Write(Stream stream, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentNullException.ThrowIfNull(metadata);
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
                ["dtype"] = NameOf(name, tensor.dtype),
                ["shape"] = new JsonArray(tensor.shape.Select(s => (JsonNode?)JsonValue.Create(s)).ToArray()),
                ["data_offsets"] = new JsonArray(JsonValue.Create(offset), JsonValue.Create(offset + bytes)),
            };
            offset += bytes;
        }

        var text = Encoding.UTF8.GetBytes(header.ToJsonString(HeaderForm));
        var padded = (text.Length + 7) / 8 * 8;
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, padded);
        stream.Write(length);
        stream.Write(text);
        for (var i = text.Length; i < padded; i++) stream.WriteByte((byte)' ');
        foreach (var (_, tensor) in ordered)
        {
            using var scope = NewDisposeScope(); // a copy from another device goes before the next one comes
            TensorBytes.Each(tensor.detach().cpu().contiguous(), (_, bytes) => stream.Write(bytes));
        }
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>Tensors on the CPU, owned by the caller, and the text by name.</returns>
    /// <exception cref="InvalidDataException">The file is not in this format, is damaged or cut short, or holds numbers of a type that
    /// TorchSharp does not have.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static (Dictionary<string, Tensor> Tensors, Dictionary<string, string> Metadata) Read(string path)
    {
        using var stream = File.OpenRead(path);
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            var header = SafetensorsHeader.Read(stream);
            foreach (var entry in header.Entries)
            {
                var known = Array.FindIndex(Types, t => t.Name == entry.Type);
                if (known < 0) throw new InvalidDataException($"its tensor '{entry.Name}' holds numbers of type {entry.Type}, which TorchSharp does not have");
                var tensor = empty(entry.Shape, dtype: Types[known].Type);
                tensors[entry.Name] = tensor;
                TensorBytes.Each(tensor, (_, bytes) => stream.ReadExactly(bytes));
            }

            return (tensors, new(header.Metadata, StringComparer.Ordinal));
        }
        catch (Exception e)
        {
            foreach (var tensor in tensors.Values) tensor.Dispose();
            if (e is InvalidDataException) throw new InvalidDataException($"{path}: {e.Message}", e);
            throw;
        }
    }

    private static string NameOf(string tensor, ScalarType type) => Array.Find(Types, t => t.Type == type).Name ?? throw new ArgumentException(
        $"the tensor '{tensor}' is {type}, which safetensors do not have: convert it, of complex numbers with view_as_real", nameof(tensor));
}
