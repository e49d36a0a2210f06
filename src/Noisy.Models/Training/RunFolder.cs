using System.Text.Json;
using System.Text.Json.Nodes;

namespace Noisy.Models;

/// <summary>
/// The folder of one run: <c>config.json</c>, <c>log.jsonl</c>, <c>checkpoint/</c>, <c>weights.safetensors</c>,
/// <c>summary.json</c>. Held by one process at a time.
/// </summary>
public sealed class RunFolder : IDisposable
{
    private static readonly TimeSpan DefaultPatience = TimeSpan.FromSeconds(20);
    private readonly FileStream hold;

    private RunFolder(string path, FileStream hold)
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
    public static RunFolder Open(string path, TrainConfig config, DataIdentity data, Action<string> warn, TimeSpan? patience = null)
    {
        var full = System.IO.Path.GetFullPath(path);
        try
        {
            Directory.CreateDirectory(full);
            var folder = new RunFolder(full, Hold(System.IO.Path.Combine(full, ".lock"), full, warn, patience ?? DefaultPatience));
            try
            {
                folder.CheckConfig(config, data);
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
    public static UsageException CannotWrite(string path, Exception cause) => new(
        $"cannot write to {path}: {cause.Message.TrimEnd('.')}. Make room or name another folder with --out; the last checkpoint is kept, and the same command goes on from there", cause);

    /// <inheritdoc/>
    public void Dispose() => hold.Dispose();

    private string In(string name) => System.IO.Path.Combine(Path, name);

    // The lock is the operating system's, so that a killed process leaves none behind. The process of a killed script may
    // need a moment to end.
    private static FileStream Hold(string file, string folder, Action<string> warn, TimeSpan patience)
    {
        var start = Environment.TickCount64;
        for (var told = false; ;)
        {
            try
            {
                return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(file))
            {
                if (Environment.TickCount64 - start > patience.TotalMilliseconds)
                    throw new UsageException($"another process is writing to {folder}: wait for it, or name another folder with --out");
                if (!told) warn($"waiting for another process that holds {folder}");
                told = true;
                Thread.Sleep(200);
            }
        }
    }

    private void CheckConfig(TrainConfig config, DataIdentity data)
    {
        var now = ConfigJson.ToJson(config);
        now["data"] = JsonSerializer.SerializeToNode(data, ConfigJson.Indented);
        var file = In("config.json");
        if (File.Exists(file))
        {
            JsonObject there;
            try
            {
                var found = ConfigJson.Parse<JsonObject>(File.ReadAllText(file));
                there = ConfigJson.ToJson(ConfigJson.Read(found, config.GetType()));
                there["data"] = found["data"]?.DeepClone();
            }
            catch (JsonException e)
            {
                throw new UsageException($"{file} is damaged; delete {Path} to start the run again", e);
            }

            var differences = ConfigJson.Differences(there, now);
            if (differences.Count > 0)
                throw new UsageException($"{Path} was made with another config ({string.Join("; ", differences)}): name another folder with --out, or delete this one");
            return;
        }

        AtomicFile.Write(file, now.ToJsonString(ConfigJson.Indented) + "\n");
    }
}
