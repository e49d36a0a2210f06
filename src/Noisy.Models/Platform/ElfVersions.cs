using System.Buffers.Binary;
using System.Text;

namespace Noisy.Models;

/// <summary>Edits the symbol versions that a Linux shared library demands of the libraries it is linked to.</summary>
/// <remarks>Source: the ELF-64 layout and the symbol-versioning chapter of the Linux Standard Base, 10.7.</remarks>
internal static class ElfVersions
{
    private const int LoadSegment = 1, DynamicSegment = 2;
    private const long StringTable = 5, VersionNeed = 0x6ffffffe, VersionNeedCount = 0x6fffffff;
    private const ushort Weak = 2;

    /// <summary>Marks a needed version as weak: the loader then accepts a machine that lacks it.</summary>
    /// <param name="image">A 64-bit little-endian ELF file; edited in place.</param>
    /// <param name="version">Name of the version, such as <c>GLIBCXX_3.4.32</c>.</param>
    /// <returns>How many references were marked; 0 when the file does not ask for that version.</returns>
    /// <exception cref="InvalidDataException"><paramref name="image"/> is not such a file, or is cut short.</exception>
    /// <remarks>A symbol of a weak version that nobody provides resolves to address 0, so this is right only where the
    /// symbol is never called.</remarks>
    public static int Weaken(Span<byte> image, string version)
    {
        try
        {
            return WeakenChecked(image, Encoding.ASCII.GetBytes(version));
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or IndexOutOfRangeException or OverflowException)
        {
            throw new InvalidDataException("the ELF file is cut short or damaged", e);
        }
    }

    private static int WeakenChecked(Span<byte> image, ReadOnlySpan<byte> version)
    {
        ReadOnlySpan<byte> magic = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1];
        if (!image.StartsWith(magic))
            throw new InvalidDataException("not a 64-bit little-endian ELF file");

        long headers = I64(image, 0x20);
        int headerSize = U16(image, 0x36), headerCount = U16(image, 0x38);
        var loads = new List<(long Offset, long Address, long Length)>();
        long dynamic = 0, dynamicLength = 0;
        for (int i = 0; i < headerCount; i++)
        {
            long at = headers + (long)i * headerSize;
            (long offset, long address, long length) = (I64(image, at + 8), I64(image, at + 16), I64(image, at + 32));
            switch (U32(image, at))
            {
                case LoadSegment: loads.Add((offset, address, length)); break;
                case DynamicSegment: (dynamic, dynamicLength) = (offset, length); break;
            }
        }

        long needs = 0, needCount = 0, strings = 0;
        for (long at = dynamic; at < dynamic + dynamicLength && I64(image, at) != 0; at += 16)
        {
            long value = I64(image, at + 8);
            switch (I64(image, at))
            {
                case StringTable: strings = FileOffset(loads, value); break;
                case VersionNeed: needs = FileOffset(loads, value); break;
                case VersionNeedCount: needCount = value; break;
            }
        }

        // One record a library (vn_cnt at 2, vn_aux at 8, vn_next at 12), each with a chain of versions
        // (vna_flags at 4, vna_name at 8, vna_next at 12).
        int marked = 0;
        long library = needs;
        for (long i = 0; i < needCount; i++)
        {
            long entry = library + U32(image, library + 8);
            for (int n = U16(image, library + 2); n > 0; n--)
            {
                ReadOnlySpan<byte> name = image[checked((int)(strings + U32(image, entry + 8)))..];
                if (name.StartsWith(version) && name[version.Length] == 0)
                {
                    Span<byte> flags = image.Slice(checked((int)(entry + 4)), 2);
                    BinaryPrimitives.WriteUInt16LittleEndian(flags, (ushort)(U16(image, entry + 4) | Weak));
                    marked++;
                }
                entry += U32(image, entry + 12);
            }
            library += U32(image, library + 12);
        }
        return marked;
    }

    private static long FileOffset(List<(long Offset, long Address, long Length)> loads, long address)
    {
        foreach ((long offset, long start, long length) in loads)
            if (address >= start && address < start + length)
                return offset + address - start;
        throw new InvalidDataException("the ELF file's dynamic section points outside its segments");
    }

    private static ushort U16(ReadOnlySpan<byte> image, long at) => BinaryPrimitives.ReadUInt16LittleEndian(image.Slice(checked((int)at), 2));

    private static uint U32(ReadOnlySpan<byte> image, long at) => BinaryPrimitives.ReadUInt32LittleEndian(image.Slice(checked((int)at), 4));

    private static long I64(ReadOnlySpan<byte> image, long at) => BinaryPrimitives.ReadInt64LittleEndian(image.Slice(checked((int)at), 8));
}
