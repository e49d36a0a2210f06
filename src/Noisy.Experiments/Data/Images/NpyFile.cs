using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Noisy.Experiments;

/// <summary>An array in NumPy's .npy format, versions 1 and 2: little-endian, in C order.</summary>
/// <remarks>Format: the bytes 93 "NUMPY", version, length of the header, a header such as <c>{'descr': '&lt;f4', 'fortran_order':
/// False, 'shape': (3, 4), }</c>, the numbers. Source: NumPy's documentation, numpy.lib.format. The numbers are read once, straight
/// into their array.</remarks>
/// <param name="Shape">Sizes, the outermost first.</param>
/// <param name="Kind">What the numbers are.</param>
/// <param name="Values">The numbers: byte[], Half[], float[] or double[], as many as the product of the sizes.</param>
/// <param name="Sha256">SHA-256 of the uncompressed file; 64 lower-case hexadecimal digits.</param>
public sealed partial record NpyFile(IReadOnlyList<int> Shape, NpyKind Kind, Array Values, string Sha256)
{
    private const long DefaultMaxBytes = 1L << 30;
    private const int Piece = 1 << 20, LongestHeader = 1 << 16;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file; gzip if its name ends in ".gz".</param>
    /// <param name="remedy">What the user can do; a sentence that ends every message.</param>
    /// <param name="maxBytes">The most uncompressed bytes to accept; default 1 GiB. A file that announces more, by its length or its
    /// header, is refused before its numbers are read.</param>
    /// <exception cref="DataException">The file cannot be read, is of another kind, holds numbers of another kind or order, is cut
    /// short, has bytes too many or more than are accepted.</exception>
    public static NpyFile Read(string path, string remedy, long maxBytes = DefaultMaxBytes) =>
        StoredFile.Read(path, remedy, maxBytes, file => Read(file.Fill, path, remedy, maxBytes));

    /// <summary>Reads the content of a file.</summary>
    /// <param name="content">Its uncompressed bytes.</param>
    /// <param name="path">Its name, for the message.</param>
    /// <param name="remedy">What the user can do; a sentence that ends every message.</param>
    /// <param name="maxBytes">As above.</param>
    /// <exception cref="DataException">As above.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static NpyFile Read(Stream content, string path, string remedy, long maxBytes = DefaultMaxBytes)
    {
        ArgumentNullException.ThrowIfNull(content);
        return Read(piece => content.ReadAtLeast(piece, piece.Length, throwOnEndOfStream: false), path, remedy, maxBytes);
    }

    private delegate int Source(Span<byte> piece);

    private static NpyFile Read(Source fill, string path, string remedy, long maxBytes)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] Take(int count, string what)
        {
            var piece = new byte[count];
            var read = fill(piece);
            hash.AppendData(piece, 0, read);
            return read == count ? piece : throw new DataException($"'{path}' ends within {what}: the file is cut short. {remedy}");
        }

        var start = Take(8, "the first 8 bytes");
        if (start[0] != 0x93 || Encoding.ASCII.GetString(start, 1, 5) != "NUMPY")
            throw new DataException($"'{path}' does not begin with the bytes 93 \"NUMPY\": it is no .npy file. {remedy}");
        if (start[6] is not (1 or 2))
            throw new DataException($"'{path}' is a .npy file of version {start[6]}.{start[7]}; versions 1 and 2 can be read. {remedy}");
        var length = start[6] == 1
            ? BinaryPrimitives.ReadUInt16LittleEndian(Take(2, "its header"))
            : BinaryPrimitives.ReadUInt32LittleEndian(Take(4, "its header"));
        if (length > LongestHeader) throw new DataException($"'{path}' announces a header of {length:N0} bytes: the file is damaged. {remedy}");
        var (kind, shape) = Header(Encoding.Latin1.GetString(Take((int)length, "its header")), path, remedy);
        var sizes = string.Join(" x ", shape);
        var count = ArraySize.Product(shape);
        if (count > Array.MaxLength)
            throw new DataException($"'{path}' announces {sizes} = {count:N0} numbers, more than an array can hold. {remedy}");
        if (count * ElementSize(kind) > maxBytes)
            throw new DataException($"'{path}' announces {sizes} = {count:N0} numbers of {ElementSize(kind)} bytes, and more than {maxBytes:N0} bytes are not accepted. {remedy}");
        var values = kind switch
        {
            NpyKind.Byte => Numbers<byte>((int)count),
            NpyKind.Half => Numbers<Half>((int)count),
            NpyKind.Single => Numbers<float>((int)count),
            _ => Numbers<double>((int)count),
        };
        return fill(new byte[1]) == 0
            ? new(shape, kind, values, Convert.ToHexStringLower(hash.GetHashAndReset()))
            : throw new DataException($"'{path}' announces {sizes} numbers and holds more: the file has bytes too many. {remedy}");

        Array Numbers<T>(int number) where T : unmanaged
        {
            // In pieces, so that a false announcement costs no more memory than the file is long.
            var numbers = new T[Math.Min(number, Piece)];
            for (var done = 0; done < number;)
            {
                if (done == numbers.Length) Array.Resize(ref numbers, (int)Math.Min(number, 8L * numbers.Length));
                var next = Math.Min(Piece, numbers.Length - done);
                var raw = MemoryMarshal.AsBytes(numbers.AsSpan(done, next));
                var read = fill(raw);
                if (read < raw.Length)
                {
                    var size = raw.Length / next;
                    throw new DataException(
                        $"'{path}' announces {sizes} = {number:N0} numbers and holds {done + (read / size):N0}: the file is cut short. {remedy}");
                }

                hash.AppendData(raw);
                done += next;
            }

            return numbers;
        }
    }

    /// <summary>Some of the numbers in single precision.</summary>
    /// <param name="first">Index of the first, counted in C order.</param>
    /// <param name="target">Receives as many as it has room for.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many numbers.</exception>
    public void CopyTo(int first, Span<float> target)
    {
        switch (Values)
        {
            case byte[] bytes:
                var some = bytes.AsSpan(first, target.Length);
                for (var i = 0; i < some.Length; i++) target[i] = some[i];
                break;
            case Half[] halves:
                var half = halves.AsSpan(first, target.Length);
                for (var i = 0; i < half.Length; i++) target[i] = (float)half[i];
                break;
            case float[] singles:
                singles.AsSpan(first, target.Length).CopyTo(target);
                break;
            case double[] doubles:
                var wide = doubles.AsSpan(first, target.Length);
                for (var i = 0; i < wide.Length; i++) target[i] = (float)wide[i];
                break;
        }
    }

    /// <summary>A header on one line, and not more of it than one reads.</summary>
    private static string Printable(string text)
    {
        const int most = 200;
        var line = string.Concat(text.Trim().Select(c => char.IsControl(c) ? '?' : c));
        return line.Length <= most ? line : line[..most] + "…";
    }

    private static int ElementSize(NpyKind kind) => kind switch { NpyKind.Byte => 1, NpyKind.Half => 2, NpyKind.Single => 4, _ => 8 };

    private static (NpyKind Kind, int[] Shape) Header(string text, string path, string remedy)
    {
        DataException Bad(string what) => new($"'{path}': the header '{Printable(text)}' {what}. {remedy}");
        var (descr, order, shape) = (Descr().Match(text), Order().Match(text), Sizes().Match(text));
        if (!descr.Success || !order.Success || !shape.Success)
            throw Bad("does not tell 'descr', 'fortran_order' and 'shape' of one array of plain numbers");
        if (order.Groups[1].Value == "True") throw Bad("announces Fortran's order; save the array in C order");
        NpyKind kind = descr.Groups[1].Value switch
        {
            "|u1" or "<u1" => NpyKind.Byte,
            "<f2" => NpyKind.Half,
            "<f4" => NpyKind.Single,
            "<f8" => NpyKind.Double,
            _ => throw Bad("announces another kind of numbers than |u1, <f2, <f4 and <f8"),
        };
        var sizes = shape.Groups[1].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        int Size(string size) => int.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw Bad("announces a size that is too large");
        return sizes.Length <= ArraySize.MaxDimensions
            ? (kind, Array.ConvertAll(sizes, Size))
            : throw Bad($"announces {sizes.Length} sizes; {ArraySize.MaxDimensions} are the most");
    }

    [GeneratedRegex(@"'descr'\s*:\s*'([^']*)'")]
    private static partial Regex Descr();

    [GeneratedRegex(@"'fortran_order'\s*:\s*(True|False)\b")]
    private static partial Regex Order();

    [GeneratedRegex(@"'shape'\s*:\s*\(([0-9,\s]*)\)")]
    private static partial Regex Sizes();
}
