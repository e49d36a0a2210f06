using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Keeps what was read last, since all rows and seeds of a command train on the same data.</summary>
internal sealed class LatestData<T>
    where T : class
{
    private readonly Lock gate = new();
    private (string Key, T Data)? latest;

    /// <summary>The data of a key: what was read last if it has the same key, else read anew.</summary>
    /// <param name="key">All that the data depend on: the files with their <see cref="DataFile.Stamp"/>, and every setting that
    /// <paramref name="read"/> looks at.</param>
    /// <param name="read">Reads them.</param>
    public T Get(string key, Func<T> read)
    {
        lock (gate)
        {
            if (latest is not { } found || found.Key != key) latest = (key, read());
            return latest.Value.Data;
        }
    }
}
