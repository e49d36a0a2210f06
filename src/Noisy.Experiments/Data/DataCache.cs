using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Finds the folder of a data set: the one that the user names, else the cache, else none.</summary>
/// <remarks>
/// <para>A folder that the user names (--data or NOISY_DATA) must hold the set: what is missing there is an error and never
/// a reason to take other data. Without one, the set is taken from the user's cache if it is whole there; else
/// <see cref="Find"/> answers null and the caller takes its built-in data. Nothing is downloaded unless the user requests it
/// with "--data download", so a machine without a network never waits.</para>
/// <para>Whether the contents are right is the loader's business; a download is checked here by size and SHA-256.</para>
/// </remarks>
/// <param name="settings">Where to look.</param>
/// <param name="report">Told in one line what is being downloaded; null for silence.</param>
public sealed class DataCache(DataCacheSettings settings, Action<string>? report = null)
{
    /// <summary>Finds a set.</summary>
    /// <param name="set">The set.</param>
    /// <returns>The folder that holds all of its files, plain or .gz; null where built-in data are to be used.</returns>
    /// <exception cref="DataException">The folder that the user named does not hold the set, or a download failed.</exception>
    /// <exception cref="UsageException">NOISY_DATA_URL is not an http address.</exception>
    public string? Find(DataSet set) => settings.Data switch
    {
        DataCacheSettings.BuiltIn => null,
        DataCacheSettings.Download => Download(set),
        { } folder => Require(set, folder),
        null => Cached(set),
    };

    /// <summary>The files that the user names in place of a folder, separated by commas; empty if there are none.</summary>
    /// <remarks>For experiments that take any text besides known sets; the others' <see cref="Find"/> refuses them.</remarks>
    /// <exception cref="DataException">What the user names is neither a folder nor files that are all there; the message names the
    /// first that is not.</exception>
    public IReadOnlyList<string> NamedFiles
    {
        get
        {
            if (settings.Data is null or DataCacheSettings.BuiltIn or DataCacheSettings.Download || Directory.Exists(settings.Data)) return [];
            if (File.Exists(settings.Data)) return [settings.Data];
            string[] paths = settings.Data.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            var missing = paths.Length == 0 ? settings.Data : Array.Find(paths, path => !File.Exists(path));
            if (missing is null) return paths;
            throw new DataException(
                $"{settings.Origin} '{settings.Data}': '{missing}' is {(Directory.Exists(missing) ? "a folder, not a file" : "neither a file nor a folder that is there")}. "
                + $"Correct the name, or use the built-in data with '--data {DataCacheSettings.BuiltIn}'.");
        }
    }

    /// <summary>The folder that the user names, if it is there; null if there is none.</summary>
    internal string? NamedFolder =>
        settings.Data is { } folder and not (DataCacheSettings.BuiltIn or DataCacheSettings.Download) && Directory.Exists(folder) ? folder : null;

    /// <summary>What the files of a set are at this moment, so that data read before can be taken for the same.</summary>
    /// <param name="set">The set.</param>
    /// <param name="folder">Its folder, as <see cref="Find"/> gives it.</param>
    internal static string Stamp(DataSet set, string? folder) =>
        folder is null ? DataCacheSettings.BuiltIn : string.Join("; ", set.Files.Select(file => DataFile.Stamp(DataFile.Find(folder, file.File) ?? folder)));

    private string Require(DataSet set, string folder)
    {
        var named = $"{settings.Origin} '{folder}'";
        if (File.Exists(folder))
        {
            throw new DataException($"{named} is a file, not a folder. {set.Remedy(null)}");
        }

        if (!Directory.Exists(folder))
        {
            throw new DataException($"{named} is not there. {set.Remedy(Path.Combine(folder, set.Name))}");
        }

        // The set's own folder may be named as well as the one above it.
        string[] places = [Path.Combine(folder, set.Name), folder];
        var missing = places.Select(place => set.Files.FirstOrDefault(file => DataFile.Find(place, file.File) is null)).ToArray();
        for (var i = 0; i < places.Length; i++)
        {
            if (missing[i] is null)
            {
                return places[i];
            }
        }

        var file = (set.Files.FirstOrDefault(file => places.All(place => DataFile.Find(place, file.File) is null)) ?? missing[0]!).File;
        var what = Directory.Exists(Path.Combine(places[0], file)) || Directory.Exists(Path.Combine(places[0], file + ".gz"))
            ? $"{named}: '{Path.Combine(places[0], file)}' is a folder, not a file."
            : $"{named} does not hold {set.Title}: '{file}' (or '{file}.gz') is neither in '{places[0]}' nor in '{places[1]}'.";
        throw new DataException($"{what} {set.Remedy(places[0])}");
    }

    private string? Cached(DataSet set)
    {
        if (settings.CacheFolder is null)
        {
            return null;
        }

        var folder = Path.Combine(settings.CacheFolder, set.Name);
        return set.Files.All(file => DataFile.Find(folder, file.File) is not null) ? folder : null;
    }

    private string Download(DataSet set)
    {
        if (settings.CacheFolder is null)
        {
            throw new DataException(
                $"There is no folder to download {set.Title} to: neither XDG_CACHE_HOME nor a home folder is set. {set.Remedy(null)}");
        }

        var folder = Path.Combine(settings.CacheFolder, set.Name);
        foreach (var file in set.Files.Where(file => !IsWhole(folder, file)))
        {
            var address = Address(set, file);
            report?.Invoke($"downloading {file.File} ({file.Bytes / 1e6:0.0} MB) from {address}");
            var remedy = set.Remedy(folder);
            var content = DataDownload.Fetch(file, address, settings, remedy);
            try
            {
                var path = Path.Combine(folder, file.File); // some files lie in folders of their own
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                AtomicFile.Write(path, stream => stream.Write(content));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new DataException(
                    $"'{file.File}' was downloaded but cannot be written to '{folder}' ({error.Message.TrimEnd('.')}). " +
                    $"Make room there, or name another folder with XDG_CACHE_HOME. {remedy}", error);
            }
        }

        return folder;
    }

    private static bool IsWhole(string folder, DataSource file)
    {
        try
        {
            return DataFile.Find(folder, file.File) is { } path
                && DataFile.Sha256(DataFile.Read(path, remedy: "", file.Bytes)) == file.Sha256;
        }
        catch (DataException)
        {
            return false;
        }
    }

    private Uri Address(DataSet set, DataSource file)
    {
        var text = settings.BaseUrl is { } root ? $"{root.TrimEnd('/')}/{set.Name}/{file.File}" : file.Url;
        if (text is null)
        {
            throw new DataException(
                $"{set.Title} cannot be downloaded: no lasting address of '{file.File}' is known. {set.Remedy(Path.Combine(settings.CacheFolder!, set.Name))} " +
                "NOISY_DATA_URL may name a server that has it.");
        }

        return Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is ("http" or "https")
            ? address
            : throw new UsageException(
                $"NOISY_DATA_URL is '{settings.BaseUrl}', which is not an http or https address; correct it or unset it.");
    }
}
