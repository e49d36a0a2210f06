using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Where data are looked for, as options and environment say.</summary>
/// <param name="Data">A folder, or <see cref="BuiltIn"/>, or <see cref="Download"/>, or null for what the cache happens to hold.</param>
/// <param name="Origin">Who said so, for messages: "--data" or "NOISY_DATA".</param>
/// <param name="CacheFolder">The user's folder for downloads; null where the system names none.</param>
/// <param name="BaseUrl">Replaces the addresses of all sets: a file is taken from BaseUrl/set/file; null for the usual ones.</param>
/// <param name="ConnectTimeout">The longest wait for a connection.</param>
/// <param name="StallTimeout">The longest wait for the answer to begin, and then for each next piece of it.</param>
/// <param name="TotalTimeout">The longest that one file may take.</param>
public sealed record DataCacheSettings(
    string? Data,
    string Origin,
    string? CacheFolder,
    string? BaseUrl,
    TimeSpan ConnectTimeout,
    TimeSpan StallTimeout,
    TimeSpan TotalTimeout)
{
    /// <summary>Value of --data that requests the built-in corpus, whatever else there is.</summary>
    public const string BuiltIn = "built-in";

    /// <summary>Value of --data that requests the real set, downloaded into the cache unless it is there.</summary>
    public const string Download = "download";

    /// <summary>The settings of this process.</summary>
    /// <param name="data">Value of --data, or null where the option was not given; then NOISY_DATA counts, if it is set.</param>
    /// <remarks>The cache is XDG_CACHE_HOME/noisy, else ~/.cache/noisy; on Windows noisy in the local application data.
    /// NOISY_DATA_URL, if set, becomes <see cref="BaseUrl"/>.</remarks>
    public static DataCacheSettings FromEnvironment(string? data) => From(data, Environment.GetEnvironmentVariable);

    /// <summary>The settings under a given environment.</summary>
    /// <param name="data">Value of --data, or null.</param>
    /// <param name="environment">Value of an environment variable, or null where it is not set; empty counts as not set.</param>
    public static DataCacheSettings From(string? data, Func<string, string?> environment)
    {
        string? Variable(string name) => environment(name) is { Length: > 0 } value ? value : null;
        return new(
            data ?? Variable("NOISY_DATA"),
            data is null ? "NOISY_DATA" : "--data",
            UserCache(Variable),
            Variable("NOISY_DATA_URL"),
            ConnectTimeout: TimeSpan.FromSeconds(10),
            StallTimeout: TimeSpan.FromSeconds(20),
            TotalTimeout: TimeSpan.FromMinutes(10));
    }

    /// <summary>These settings with another cache folder.</summary>
    /// <param name="folder">The folder.</param>
    public DataCacheSettings WithCacheFolder(string folder) => this with { CacheFolder = folder };

    /// <summary>These settings with other limits of time.</summary>
    /// <param name="connect">See <see cref="ConnectTimeout"/>.</param>
    /// <param name="stall">See <see cref="StallTimeout"/>.</param>
    /// <param name="total">See <see cref="TotalTimeout"/>.</param>
    public DataCacheSettings WithTimeouts(TimeSpan connect, TimeSpan stall, TimeSpan total) =>
        this with { ConnectTimeout = connect, StallTimeout = stall, TotalTimeout = total };

    private static string? UserCache(Func<string, string?> variable)
    {
        // A relative XDG_CACHE_HOME is to be ignored, says the XDG base directory specification.
        if (variable("XDG_CACHE_HOME") is { } cache && Path.IsPathRooted(cache))
        {
            return Path.Combine(cache, "noisy");
        }

        if (OperatingSystem.IsWindows())
        {
            return variable("LOCALAPPDATA") is { } local ? Path.Combine(local, "noisy") : null;
        }

        return variable("HOME") is { } home ? Path.Combine(home, ".cache", "noisy") : null;
    }
}
