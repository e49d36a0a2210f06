namespace Noisy.Experiments;

/// <summary>A named set of files, which lie together in a folder of that name.</summary>
/// <param name="Name">Name of the set and of its folder, such as "ptb".</param>
/// <param name="Title">The set in words, for messages.</param>
/// <param name="Files">Its files, in the order in which the loader reads them.</param>
/// <param name="Own">What the user can do to have data of their own in its place, such as "name a text of your own with '--data FILE'"; null for
/// nothing.</param>
public sealed record DataSet(string Name, string Title, IReadOnlyList<DataSource> Files, string? Own = null)
{
    /// <summary>The sentence that ends every message about missing or damaged files.</summary>
    /// <param name="folder">The folder where the files belong; null where none is known.</param>
    public string Remedy(string? folder)
    {
        var files = string.Join(", ", Files.Select(file => file.File));
        var place = folder is null ? $"a folder '{Name}' and name the one above it with '--data DIR'" : $"'{folder}'";
        var own = Own is null ? "" : Own + ", ";
        return $"Put {files} (plain or .gz) into {place} by hand, {own}or use the built-in data with '--data {DataCacheSettings.BuiltIn}'.";
    }

    /// <summary>Reads all files of the set.</summary>
    /// <param name="folder">The folder that holds them, plain or .gz, as <see cref="DataCache.Find"/> gives it.</param>
    /// <exception cref="DataException">A file is missing or unreadable.</exception>
    internal OpenedFiles Open(string folder)
    {
        var remedy = Remedy(folder);
        var paths = Files.Select(file => DataFile.Find(folder, file.File) ?? throw new DataException(
            $"'{file.File}' (or '{file.File}.gz') is not in '{folder}'. {remedy}")).ToArray();
        return new(this, remedy, paths, [.. paths.Zip(Files, (path, file) => DataFile.Read(path, remedy, file.MaxBytes))]);
    }
}

/// <summary>The uncompressed contents of all files of a set, in the set's order.</summary>
/// <param name="Set">The set.</param>
/// <param name="Remedy">What the user can do; a sentence that ends every message.</param>
/// <param name="Paths">Where each file was found.</param>
/// <param name="Contents">Their contents.</param>
internal sealed record OpenedFiles(DataSet Set, string Remedy, string[] Paths, byte[][] Contents)
{
    /// <summary>The set as a run's summary names it; the checksum is over all contents.</summary>
    public DataIdentity Identity => new(Set.Name, DataIdentity.Real, DataFile.Sha256(Contents));

    /// <summary>The files as text.</summary>
    /// <exception cref="DataException">A file is not UTF-8.</exception>
    public string[] Texts() => [.. Paths.Select((path, i) => DataFile.DecodeText(Contents[i], path, Remedy))];

    /// <summary>Compares a number with the one that the set is known to have.</summary>
    /// <param name="file">Index of the file.</param>
    /// <param name="what">What was counted.</param>
    /// <param name="found">How many there are.</param>
    /// <param name="expected">How many there should be.</param>
    /// <exception cref="DataException">They differ.</exception>
    public void Check(int file, string what, int found, int expected)
    {
        if (found != expected)
            throw new DataException($"'{Paths[file]}' has {found:N0} {what}, {expected:N0} expected: the file is cut short or another one. {Remedy}");
    }

    /// <summary>Compares all checksums; to be called last, since other checks say more.</summary>
    /// <exception cref="DataException">One differs.</exception>
    public void CheckSums()
    {
        for (var i = 0; i < Paths.Length; i++)
        {
            var (found, expected) = (DataFile.Sha256(Contents[i]), Set.Files[i].Sha256);
            if (found != expected)
            {
                throw new DataException(
                    $"'{Paths[i]}' has the right size, but it is damaged, another file, or has other line ends " +
                    $"(SHA-256 {found}, expected {expected}). {Remedy}");
            }
        }
    }
}
