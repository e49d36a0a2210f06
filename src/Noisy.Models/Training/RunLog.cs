using System.Text.Json;
using System.Text.Json.Serialization;

namespace Noisy.Models;

/// <summary>One line of a run's log. Times are not logged, so that an interrupted run's log equals an uninterrupted one's.</summary>
/// <param name="Event">"update"; "epoch" for the evaluation at an epoch's end, "check" for one before it.</param>
/// <param name="Update">Updates done after this event.</param>
/// <param name="Epoch">Epoch, from 1.</param>
/// <param name="LearningRate">Learning rate in force.</param>
/// <param name="Scale">Annealed noise scale c in force; null if each site has its own.</param>
/// <param name="Loss">Update: the batch's mean negative log-likelihood, nats an item.</param>
/// <param name="GradientNorm">Update: global norm of the gradient before clipping.</param>
/// <param name="Accuracy">Update: share of the batch's items predicted right, in [0, 1]; null if the task does not count.</param>
/// <param name="Stage">Stage of difficulty, from 1; null if the task has one.</param>
/// <param name="Train">Evaluation: metrics over the batches since the one before, with noise, as they were trained on.</param>
/// <param name="Valid">Evaluation: validation metrics.</param>
public sealed record LogEvent(
    string Event,
    long Update,
    int Epoch,
    double LearningRate,
    double? Scale,
    double? Loss = null,
    double? GradientNorm = null,
    double? Accuracy = null,
    int? Stage = null,
    IReadOnlyDictionary<string, double>? Train = null,
    IReadOnlyDictionary<string, double>? Valid = null)
{
    /// <summary>Whether this is an evaluation and not an update.</summary>
    [JsonIgnore]
    public bool IsEvaluation => Valid is not null;
}

/// <summary>The run's <c>log.jsonl</c>: an event a line, appended; cut back to the checkpoint on resume.</summary>
public sealed class RunLog : IDisposable
{
    private readonly FileStream stream;

    /// <summary>Opens the log and drops what follows the last checkpoint.</summary>
    /// <param name="path">The file; created if missing.</param>
    /// <param name="length">Length to keep, in bytes.</param>
    /// <exception cref="UsageException">The log is shorter than the checkpoint says.</exception>
    public RunLog(string path, long length)
    {
        stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read);
        if (stream.Length < length)
        {
            var found = stream.Length;
            stream.Dispose();
            throw new UsageException($"{path} has {found} bytes, the checkpoint expects {length} or more: it was changed; delete the run's folder to start it again");
        }

        stream.SetLength(length);
        stream.Position = length;
    }

    /// <summary>Bytes written so far.</summary>
    public long Length => stream.Position;

    /// <summary>Appends an event and hands it to the operating system, so that a killed process loses none.</summary>
    public void Write(LogEvent entry)
    {
        var line = JsonSerializer.SerializeToNode(entry, ConfigJson.Line)!.AsObject();
        foreach (var empty in line.Where(f => f.Value is null && f.Key != "scale").Select(f => f.Key).ToList()) line.Remove(empty);
        stream.Write(System.Text.Encoding.UTF8.GetBytes(line.ToJsonString(ConfigJson.Line) + "\n"));
        stream.Flush();
    }

    /// <summary>Forces everything to the disk.</summary>
    public void Sync() => stream.Flush(flushToDisk: true);

    /// <summary>Reads a log; a last line that was cut off is ignored.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The events in order; none if there is no file.</returns>
    public static IReadOnlyList<LogEvent> Read(string path)
    {
        List<LogEvent> events = [];
        if (!File.Exists(path)) return events;
        foreach (var line in File.ReadLines(path))
        {
            try
            {
                events.Add(JsonSerializer.Deserialize<LogEvent>(line, ConfigJson.Line)!);
            }
            catch (JsonException)
            {
                break;
            }
        }

        return events;
    }

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();
}
