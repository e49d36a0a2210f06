namespace Noisy.Models;

/// <summary>One file of a data set, and where it may be had.</summary>
/// <param name="File">Name of the file, uncompressed, such as "ptb.train.txt".</param>
/// <param name="Url">Address of its uncompressed bytes; null where none is known that will last.</param>
/// <param name="Sha256">SHA-256 of the uncompressed bytes; 64 lower-case hexadecimal digits.</param>
/// <param name="Bytes">Number of uncompressed bytes.</param>
public sealed record DataSource(string File, string? Url, string Sha256, long Bytes);

/// <summary>A named set of files, which lie together in a folder of that name.</summary>
/// <param name="Name">Name of the set and of its folder, such as "ptb".</param>
/// <param name="Title">The set in words, for messages.</param>
/// <param name="Files">Its files, in the order in which the loader reads them.</param>
public sealed record DataSet(string Name, string Title, IReadOnlyList<DataSource> Files)
{
    /// <summary>The sentence that ends every message about missing or damaged files.</summary>
    /// <param name="folder">The folder where the files belong; null where none is known.</param>
    public string Remedy(string? folder)
    {
        var files = string.Join(", ", Files.Select(file => file.File));
        var place = folder is null ? $"a folder '{Name}' and name the one above it with '--data DIR'" : $"'{folder}'";
        return $"Put {files} (plain or .gz) into {place} by hand, or use the built-in data with '--data {DataCacheSettings.BuiltIn}'.";
    }
}
