using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>A line of a log as text: the event as a JSON object whose last field, <c>sum</c>, is a checksum of all before it.</summary>
/// <remarks>The sum is the beginning of a SHA-256 over the object's text without that field. Lines of versions that wrote none are read
/// too, if they hold nothing else than an event's fields.</remarks>
internal static class LogLine
{
    private const string Sum = ",\"sum\":\"", End = "\"}";
    private const int Digits = 8;

    /// <summary>No event is shorter; bytes. A file of many short lines must not cost an exception a line.</summary>
    private const int Shortest = 20;

    private static readonly int Tail = Sum.Length + Digits + End.Length;

    /// <summary>The line of an event, without a line end.</summary>
    internal static string Format(LogEvent entry)
    {
        var fields = JsonSerializer.SerializeToNode(entry, ConfigJson.Line)!.AsObject();
        RemoveNulls(fields, except: "scale");
        foreach (var site in fields["sites"] as JsonObject ?? []) RemoveNulls(site.Value!.AsObject(), except: null);
        var text = fields.ToJsonString(ConfigJson.Line);
        return $"{text[..^1]}{Sum}{Checksum(text)}{End}";
    }

    /// <summary>The event of a line.</summary>
    /// <param name="line">The line, without its line end.</param>
    /// <returns>The event; null if the line is damaged.</returns>
    internal static LogEvent? Parse(ReadOnlySpan<byte> line)
    {
        if (line.Length < Shortest) return null;
        try
        {
            var text = Strict.GetString(line);
            var summed = text.Length > Tail && text.AsSpan(text.Length - Tail).StartsWith(Sum) && text.EndsWith(End, StringComparison.Ordinal);
            if (summed && Checksum(text[..^Tail] + "}") != text[^(Digits + End.Length)..^End.Length]) return null;
            var entry = ConfigJson.Parse<LogEvent>(text, knownFields: !summed);
            return entry.Update >= 1 && !(entry.From > entry.Update) ? entry : null;
        }
        catch (Exception e) when (e is JsonException or DecoderFallbackException)
        {
            return null;
        }
    }

    private static void RemoveNulls(JsonObject json, string? except)
    {
        foreach (var name in json.Where(f => f.Value is null && f.Key != except).Select(f => f.Key).ToList()) json.Remove(name);
    }

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private static string Checksum(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..Digits];
}
