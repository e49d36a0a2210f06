using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>A line of a log file.</summary>
/// <param name="Number">Its number, from 1.</param>
/// <param name="Event">What it says; null if it is damaged.</param>
/// <param name="End">Where the next line begins; bytes.</param>
/// <param name="HasEnd">Whether a line end follows; the last line of a killed process may lack it.</param>
internal sealed record LogFileLine(int Number, LogEvent? Event, long End, bool HasEnd);

/// <summary>Reads log files line by line.</summary>
internal static class LogFile
{
    /// <summary>The lines of a log.</summary>
    /// <param name="path">The file; without one there are no lines.</param>
    internal static IReadOnlyList<LogFileLine> Read(string path)
    {
        List<LogFileLine> lines = [];
        if (!File.Exists(path)) return lines;
        var bytes = SharedFile.ReadAllBytes(path);
        for (var start = 0; start < bytes.Length;)
        {
            var length = bytes.AsSpan(start).IndexOf((byte)'\n');
            var (end, hasEnd) = length < 0 ? (bytes.Length, false) : (start + length, true);
            lines.Add(new(lines.Count + 1, LogLine.Parse(bytes.AsSpan(start..end)), hasEnd ? end + 1 : end, hasEnd));
            start = end + 1;
        }

        return lines;
    }
}
