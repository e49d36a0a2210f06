using System.Text;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The run's <c>log.jsonl</c>: an event a line with a checksum of its own, appended; cut back to the checkpoint on resume.</summary>
/// <remarks>A log that was cut, lost or changed stops no run, since weights are worth more. An event "gap" stands in it where others are
/// missing.</remarks>
internal sealed class RunLog : IDisposable
{
    private readonly FileStream stream;

    private RunLog(FileStream stream) => this.stream = stream;

    /// <summary>Opens a run's log for appending, and drops what belongs to lost updates.</summary>
    /// <param name="path">The file; created if missing.</param>
    /// <param name="position">Where the run stands.</param>
    /// <param name="warn">Told of what is damaged or missing.</param>
    /// <exception cref="IOException">It cannot be read or written.</exception>
    internal static RunLog Resume(string path, LogPosition position, Action<string> warn)
    {
        var lines = LogFile.Read(path);
        var kept = lines.TakeWhile(line => line.Event is { } entry && position.Has(entry)).ToList();
        var complete = position.Complete(lines.Select(line => line.Event).OfType<LogEvent>().Where(position.Has));
        var isWhole = complete.SequenceEqual(kept.Select(line => line.Event!));
        if (!isWhole) warn(Loss(path, lines, complete.Except(kept.Select(line => line.Event!))));
        if (!isWhole || kept is [.., { HasEnd: false }])
            AtomicFile.Write(path, string.Concat(complete.Select(entry => LogLine.Format(entry) + "\n")));
        var stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read);
        if (isWhole && kept is not [.., { HasEnd: false }]) stream.SetLength(kept is [.., var newest] ? newest.End : 0);
        stream.Position = stream.Length;
        return new(stream);
    }

    /// <summary>Appends an event and hands it to the operating system, so that a killed process loses none.</summary>
    internal void Write(LogEvent entry)
    {
        stream.Write(Encoding.UTF8.GetBytes(LogLine.Format(entry) + "\n"));
        stream.Flush();
    }

    /// <summary>Forces everything to the disk.</summary>
    internal void Sync() => stream.Flush(flushToDisk: true);

    /// <summary>Reads a log; a last line that was cut off is ignored.</summary>
    /// <param name="path">The file.</param>
    /// <param name="warn">Told of each line that was changed, which is left out, and of lines that are missing; null, the default: they
    /// are an error.</param>
    /// <returns>The events in order; none if there is no file.</returns>
    /// <exception cref="UsageException">A line was changed, or lines are missing, and <paramref name="warn"/> is null.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IReadOnlyList<LogEvent> Read(string path, Action<string>? warn = null)
    {
        warn ??= message => throw new UsageException(message);
        List<LogEvent> events = [];
        long? last = 0; // the last update; null where it is not known
        foreach (var line in LogFile.Read(path))
        {
            if (line.Event is { } entry)
            {
                if (entry is { IsEvaluation: false, IsGap: false } && last is { } before && entry.Update != before + 1)
                    warn($"{path}, line {line.Number}: update {entry.Update} follows update {before}; lines are missing");
                last = entry.IsGap ? entry.Update : entry.IsEvaluation ? last : entry.Update;
                events.Add(entry);
            }
            else if (line.HasEnd)
            {
                warn($"{path}, line {line.Number} was changed: it is left out");
                last = null;
            }
        }

        return events;
    }

    /// <summary>The last update that a log tells of, whole or as a gap; 0 if there is none.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    internal static long LastUpdate(string path) => Read(path, _ => { }) is [.., var newest] ? newest.Update : 0;

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();

    private static string Loss(string path, IReadOnlyList<LogFileLine> lines, IEnumerable<LogEvent> gaps)
    {
        var changed = lines.FirstOrDefault(line => line is { Event: null, HasEnd: true });
        var cause = changed is null ? $"{path} was cut or lost" : $"{path}, line {changed.Number} was changed";
        var lost = gaps.Where(entry => entry.IsGap).Select(gap => gap.From == gap.Update ? $"{gap.Update}" : $"{gap.From} to {gap.Update}").ToList();
        var effect = lost.Count == 0 ? "that line is left out" : $"it lacks updates {string.Join(", ", lost)}, and notes the gap";
        return $"{cause}: {effect}. The run resumes from its checkpoint all the same";
    }
}
