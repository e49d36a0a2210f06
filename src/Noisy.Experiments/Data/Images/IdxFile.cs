using System.Buffers.Binary;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>A file of bytes in LeCun's IDX format, in which MNIST is distributed.</summary>
/// <remarks>Format: 0, 0, 8 (unsigned bytes), number of dimensions; each dimension as a big-endian 32-bit number; the bytes in
/// row order. Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".</remarks>
/// <param name="Dimensions">Sizes, the outermost first.</param>
/// <param name="Data">The bytes; as many as the product of the sizes.</param>
public sealed record IdxFile(int[] Dimensions, byte[] Data)
{
    private const int UnsignedBytes = 8;

    /// <summary>Reads the content of a file.</summary>
    /// <param name="content">Its uncompressed bytes.</param>
    /// <param name="path">Its name, for the message.</param>
    /// <param name="dimensions">Number of dimensions that it must have, ≥ 1.</param>
    /// <param name="remedy">What the user can do; a sentence that ends every message.</param>
    /// <exception cref="DataException">The content is of another kind, is cut short or has bytes too many.</exception>
    public static IdxFile Parse(byte[] content, string path, int dimensions, string remedy)
    {
        var header = 4 + (4 * dimensions);
        if (content.Length < header)
            throw new DataException($"'{path}' has {content.Length} bytes, and the header of its kind alone has {header}: the file is cut short. {remedy}");
        var (found, expected) = (BinaryPrimitives.ReadInt32BigEndian(content), (UnsignedBytes << 8) + dimensions);
        if (found != expected)
            throw new DataException($"'{path}' begins with the number {found}, {expected} expected: it is another kind of file. {remedy}");
        var sizes = new int[dimensions];
        for (var i = 0; i < dimensions; i++) sizes[i] = BinaryPrimitives.ReadInt32BigEndian(content.AsSpan(4 + (4 * i)));
        var shape = string.Join(" x ", sizes);
        if (sizes.Any(s => s < 0)) throw new DataException($"'{path}' announces {shape} bytes, which cannot be: the file is damaged. {remedy}");
        var announced = ArraySize.Product(sizes);
        if (content.Length - header != announced)
        {
            var what = content.Length - header < announced ? "is cut short" : "has bytes too many";
            throw new DataException($"'{path}' announces {shape} = {announced:N0} bytes and holds {content.Length - header:N0}: the file {what}. {remedy}");
        }

        return new(sizes, content[header..]);
    }
}
