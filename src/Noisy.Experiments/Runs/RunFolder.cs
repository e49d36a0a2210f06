using System.Text.Json;
using System.Text.Json.Nodes;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>
/// The folder of one run: <c>config.json</c>, <c>log.jsonl</c>, <c>checkpoint/</c>, <c>weights.safetensors</c>,
/// <c>summary.json</c>. Held by one process at a time.
/// </summary>
public sealed class RunFolder : IDisposable
{
    private static readonly TimeSpan DefaultPatience = TimeSpan.FromSeconds(20);
    private readonly FileLock hold;

    private RunFolder(string path, FileLock hold)
    {
        Path = path;
        this.hold = hold;
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>The log.</summary>
    public string Log => In("log.jsonl");

    /// <summary>The summary.</summary>
    public string Summary => In("summary.json");

    /// <summary>Final weights, for other programs.</summary>
    public string Weights => In("weights.safetensors");

    /// <summary>The checkpoints' folder.</summary>
    public string Checkpoints => In("checkpoint");

    /// <summary>Opens or creates a run's folder.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="config">The run's config.</param>
    /// <param name="data">What the run is trained on.</param>
    /// <param name="warn">Told when it waits for another process.</param>
    /// <param name="patience">How long to wait for another process to end; null waits 20 seconds.</param>
    /// <exception cref="UsageException">The folder cannot be written, belongs to another config, or another process holds it.</exception>
    public static RunFolder Open(string path, RunConfig config, DataIdentity data, Action<string> warn, TimeSpan? patience = null)
    {
        var full = System.IO.Path.GetFullPath(path);
        try
        {
            Directory.CreateDirectory(full);
            var folder = new RunFolder(full, Hold(full, warn, patience ?? DefaultPatience));
            try
            {
                folder.CheckConfig(config, data);

                // What a killed process was writing, pictures among it; none but the holder writes here.
                foreach (var leftover in Directory.EnumerateFiles(full, "*.tmp")) AtomicFile.TryDelete(leftover);
                return folder;
            }
            catch
            {
                folder.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(full, e);
        }
    }

    /// <summary>The error for an output folder that cannot be written.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="cause">What the system said.</param>
    public static UsageException CannotWrite(string path, Exception cause)
    {
        for (var above = path; !string.IsNullOrEmpty(above); above = System.IO.Path.GetDirectoryName(above))
            if (File.Exists(above)) return new($"cannot write to {path}: {above} is a file; name a folder with --out", cause);
        var resumes = HasCheckpoint(System.IO.Path.Combine(path, "checkpoint")) ? "; the last checkpoint is kept, and the same command resumes from there" : "";
        return new($"cannot write to {path}: {cause.Message.TrimEnd('.')}. Make room or name another folder with --out{resumes}", cause);
    }

    private static bool HasCheckpoint(string folder)
    {
        try
        {
            return Directory.Exists(folder) && Directory.EnumerateFiles(folder).Any(file => !file.EndsWith(".tmp", StringComparison.Ordinal));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>To be called before anything is written: makes sure that the folder is still the one that was opened, and whole. What
    /// is written to a deleted folder is lost, and one made anew in its place may belong to another process.</summary>
    /// <exception cref="UsageException">The folder, its lock, config or log was deleted or moved.</exception>
    internal void EnsureThere()
    {
        if (hold.IsHeld && File.Exists(Config) && File.Exists(Log)) return;
        var gone = !Directory.Exists(Path) ? "it is gone" : !hold.IsHeld ? "its lock is gone" : !File.Exists(Config) ? "its config is gone" : "its log is gone";
        throw new UsageException(
            $"the run's folder {Path} was deleted, moved or changed while the run was training ({gone}): the run stopped, since nothing more could be kept. "
            + "Put the folder back to resume from its last checkpoint, or run the same command again to start anew");
    }

    /// <inheritdoc/>
    public void Dispose() => hold.Dispose();

    private string Config => In("config.json");

    private string In(string name) => System.IO.Path.Combine(Path, name);

    // The process of a killed script may need a moment to end.
    private static FileLock Hold(string folder, Action<string> warn, TimeSpan patience) =>
        FileLock.Take(System.IO.Path.Combine(folder, ".lock"), patience, () => warn($"waiting for another process that holds {folder}"))
        ?? throw new UsageException($"another process is writing to {folder}: wait for it, or name another folder with --out");

    private void CheckConfig(RunConfig config, DataIdentity data)
    {
        var now = ConfigJson.ToJson(config);
        now["data"] = JsonSerializer.SerializeToNode(data, ConfigJson.Indented);
        var file = Config;
        if (File.Exists(file))
        {
            UsageException Another(IEnumerable<string> differences) => new(
                $"{Path} was made with another config ({string.Join("; ", differences)}): name another folder with --out, or delete this one");
            JsonObject there;
            JsonObject? found = null;
            try
            {
                found = ConfigJson.Parse<JsonObject>(File.ReadAllText(file));
                there = ConfigJson.ToJson(ConfigJson.Read(found, config.Settings?.GetType()));
                there["data"] = found["data"]?.DeepClone();
            }
            catch (JsonException e)
            {
                // A field that the settings have got since is no damage.
                if (found is not null && found.ContainsKey("experiment") && ConfigJson.OtherFields(found, now, config.Settings?.GetType()) is { Count: > 0 } fields) throw Another(fields);
                throw new UsageException($"{file} is damaged; delete {Path} to start the run again", e);
            }

            // What an older version of this library wrote may have fields that are gone; settings of one's own have no versions.
            if (config.Settings is { } own && own.GetType().Assembly != GetType().Assembly && ConfigJson.OtherFields(found, now, own.GetType()) is { Count: > 0 } gone) throw Another(gone);
            // Older versions called one's own data built-in.
            if (data.Source == DataIdentity.Own && there["data"]?["source"] is JsonValue source && source.ToString() == DataIdentity.BuiltIn) there["data"]!["source"] = DataIdentity.Own;
            var differences = ConfigJson.Differences(there, now);
            if (differences.Count > 0) throw Another(differences);
            return;
        }

        AtomicFile.Write(file, now.ToJsonString(ConfigJson.Indented) + "\n");
    }
}
