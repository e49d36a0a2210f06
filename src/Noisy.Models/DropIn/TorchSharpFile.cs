using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The file format of TorchSharp's <c>save</c>: how many tensors, then name, type, shape and bytes of each.</summary>
/// <remarks>Numbers have seven bits a byte, the low ones first, and a bit that says whether another byte follows. TorchSharp's own reader writes
/// into the model as it goes; this one reads everything first, and holds every size against the length of the file before it makes room.</remarks>
internal static class TorchSharpFile
{
    private const int MostAxes = 64;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>Tensors on the CPU, in the current scope, in the order of the file.</returns>
    /// <exception cref="InvalidDataException">The file is not in this format, is damaged, or cut short; the message names the tensor.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    internal static Dictionary<string, Tensor> Read(string path)
    {
        using var stream = File.OpenRead(path);
        Dictionary<string, Tensor> tensors = new(StringComparer.Ordinal);
        var count = Number(stream, "the number of tensors");
        for (var i = 0L; i < count; i++)
        {
            var name = Name(stream, i);
            if (tensors.ContainsKey(name)) throw new InvalidDataException($"the tensor '{name}' is there twice");
            tensors[name] = Values(stream, $"the tensor '{name}'");
        }

        var rest = stream.Length - stream.Position;
        return rest == 0 ? tensors : throw new InvalidDataException($"{rest} more bytes follow the last of its {count} tensors");
    }

    private static string Name(FileStream stream, long number)
    {
        var what = $"the name of tensor {number}";
        var length = Number(stream, what);
        if (length > stream.Length - stream.Position) throw CutShort(what);
        var bytes = new byte[length];
        stream.ReadExactly(bytes);
        try
        {
            return Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidDataException($"{what} is no text", e);
        }
    }

    private static Tensor Values(FileStream stream, string what)
    {
        var type = (ScalarType)Math.Min(Number(stream, what), sbyte.MaxValue);
        if (Size(type) is not { } size) throw new InvalidDataException($"{what} is of the type {(int)type}, which TorchSharp does not have");
        var axes = Number(stream, what);
        if (axes > MostAxes) throw new InvalidDataException($"{what} has {axes} axes");
        var shape = new long[axes];
        for (var a = 0; a < shape.Length; a++) shape[a] = Number(stream, what);
        var bytes = shape.Aggregate((double)size, (product, length) => product * length);
        if (bytes > stream.Length - stream.Position) throw CutShort(what);
        if (bytes == 0 && shape.Any(length => length > int.MaxValue)) throw new InvalidDataException($"{what} has the shape [{string.Join(", ", shape)}]");
        var tensor = empty(shape, dtype: type);
        TensorBytes.Each(tensor, (_, piece) => stream.ReadExactly(piece));
        return tensor;
    }

    private static long Number(FileStream stream, string what)
    {
        var number = 0L;
        for (var shift = 0; shift < 63; shift += 7)
        {
            var next = stream.ReadByte();
            if (next < 0) throw CutShort(what);
            number |= (long)(next & 0x7F) << shift;
            if (next < 0x80) return number;
        }

        throw new InvalidDataException($"{what} is damaged");
    }

    private static int? Size(ScalarType type) => type switch
    {
        ScalarType.Byte or ScalarType.Int8 or ScalarType.Bool => 1,
        ScalarType.Int16 or ScalarType.Float16 or ScalarType.BFloat16 => 2,
        ScalarType.Int32 or ScalarType.Float32 => 4,
        ScalarType.Int64 or ScalarType.Float64 or ScalarType.ComplexFloat32 => 8,
        ScalarType.ComplexFloat64 => 16,
        _ => null,
    };

    private static InvalidDataException CutShort(string what) => new($"{what} is cut short");
}
