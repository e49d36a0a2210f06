namespace Noisy.Experiments;

/// <summary>One file of a data set, and where it may be had.</summary>
/// <param name="File">Name of the file, uncompressed, such as "ptb.train.txt".</param>
/// <param name="Url">Address of its uncompressed bytes; null where none is known that will last.</param>
/// <param name="Sha256">SHA-256 of the uncompressed bytes; 64 lower-case hexadecimal digits.</param>
/// <param name="Bytes">Number of uncompressed bytes.</param>
public sealed record DataSource(string File, string? Url, string Sha256, long Bytes)
{
    /// <summary>The most bytes to read of what may be this file: room for other line ends, so that the loader can say what is wrong.</summary>
    internal long MaxBytes => (2 * Bytes) + (1 << 20);
}
