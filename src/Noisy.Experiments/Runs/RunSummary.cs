using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The result of a run: <c>summary.json</c> in its folder.</summary>
public sealed record RunSummary
{
    /// <summary>Experiment, such as "ptb".</summary>
    public required string Experiment { get; init; }

    /// <summary>Preset that the config started from.</summary>
    public required string Preset { get; init; }

    /// <summary>Activation variant.</summary>
    public required string Activation { get; init; }

    /// <summary>What the run is called in tables; null in summaries of older versions.</summary>
    public string? Label { get; init; }

    /// <summary>Seed.</summary>
    public required long Seed { get; init; }

    /// <summary>"cpu" or "cuda".</summary>
    public required string Device { get; init; }

    /// <summary>Which implementation ran: "composed", "fused-cpu" or "fused-cuda".</summary>
    [JsonPropertyName("path")]
    public required string Backend { get; init; }

    /// <summary>CPU threads that torch used.</summary>
    public required int Threads { get; init; }

    /// <summary>What the data were.</summary>
    public required DataIdentity Data { get; init; }

    /// <summary>Optimiser updates done.</summary>
    public required long Updates { get; init; }

    /// <summary>Passes over the training data; a fraction if stopped within one.</summary>
    public required double Epochs { get; init; }

    /// <summary>Time spent on updates, over all sessions.</summary>
    public required double Seconds { get; init; }

    /// <summary>Throughput of training, in the unit that <see cref="ItemName"/> says.</summary>
    [JsonPropertyName("tokens_per_second")]
    public required double ItemsPerSecond { get; init; }

    /// <summary>What is counted by the throughput.</summary>
    public required string ItemName { get; init; }

    /// <summary>Whether the run came to its end.</summary>
    public required bool Finished { get; init; }

    /// <summary>What ended the run; null if it is not finished.</summary>
    public RunEnd? EndedBy { get; init; }

    /// <summary>Update at which validation reached the config's <c>stopAt</c>; null if it has not.</summary>
    public long? SolvedAtUpdate { get; init; }

    /// <summary>Stage of difficulty that was reached; null if the task has one. Validation and test are at the last.</summary>
    public int? Stage { get; init; }

    /// <summary>Fingerprint of the weights that were tested, <see cref="WeightsHash"/>.</summary>
    [JsonPropertyName("weights_sha256")]
    public required string WeightsSha256 { get; init; }

    /// <summary>SHA-256 of the file <c>weights.safetensors</c>, its description included; null in summaries of older versions.</summary>
    public string? WeightsFileSha256 { get; init; }

    /// <summary>The metric that the run is judged by; null in summaries of older versions.</summary>
    public string? Metric { get; init; }

    /// <summary>Metrics by split.</summary>
    public required SplitMetrics Metrics { get; init; }

    /// <summary>Best attainable test metric of a source that is known exactly; null for real data.</summary>
    public double? Floor { get; init; }

    /// <summary>The paper's table that this run belongs to; null if none.</summary>
    public string? Table { get; init; }

    /// <summary>The paper's row that this run belongs to; null if none.</summary>
    public string? Row { get; init; }

    /// <summary>The published figure of that row; null if none.</summary>
    public PaperFigure? Paper { get; init; }

    /// <summary>Best validation metric at the last stage.</summary>
    public double? BestValid { get; init; }

    /// <summary>Update of <see cref="BestValid"/>; null if there is none.</summary>
    public long? BestUpdate { get; init; }

    /// <summary>What saturation and noise did in the monitored updates, by nonlinearity; of a run that was trained without monitors, and repeated with
    /// them when it was done, what they do in ten batches with its final weights. Null if the run was never monitored.</summary>
    public IReadOnlyDictionary<string, SiteSummary>? Sites { get; init; }

    /// <summary>The config, so that the summary stands alone.</summary>
    public required JsonObject Config { get; init; }

    /// <summary>Versions of everything that the numbers depend on.</summary>
    public required IReadOnlyDictionary<string, string> Versions { get; init; }

    /// <summary>Update of the weights that were tested, whose noise scale the test has.</summary>
    /// <param name="keepBest">Whether the config keeps the best weights.</param>
    internal long TestedUpdate(bool keepBest) => keepBest && BestUpdate is { } best ? best : Updates;

    /// <summary>Reads a summary.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The summary; null if there is no such file.</returns>
    /// <exception cref="UsageException">The file is damaged or cannot be read.</exception>
    public static RunSummary? Read(string path)
    {
        if (!File.Exists(path)) return null;
        try
        {
            return FromText(File.ReadAllText(path));
        }
        catch (JsonException e)
        {
            throw new UsageException($"{path} is not a run's summary ({e.Message}); delete it, and run again", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{path} cannot be read ({e.Message.TrimEnd('.')}); make it readable, or delete it and run again", e);
        }
    }

    // A digit that was changed would be another result, so the last field is a checksum of all others; older versions wrote none.
    private const string Sum = "sum";

    /// <summary>The text of the summary's file.</summary>
    internal string ToText()
    {
        var json = JsonNode.Parse(JsonSerializer.Serialize(this, ConfigJson.Indented))!.AsObject();
        json[Sum] = Checksum(json);
        return json.ToJsonString(ConfigJson.Indented) + "\n";
    }

    /// <summary>The summary that <see cref="ToText"/> wrote.</summary>
    /// <exception cref="JsonException">It is none, or it was changed since.</exception>
    private static RunSummary FromText(string text)
    {
        var json = ConfigJson.Parse<JsonObject>(text);
        if (json.Remove(Sum, out var sum) && (sum as JsonValue)?.ToString() != Checksum(json)) throw new JsonException("its checksum is wrong");
        return ConfigJson.Parse<RunSummary>(json.ToJsonString(ConfigJson.Line));
    }

    private static string Checksum(JsonObject json) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json.ToJsonString(ConfigJson.Line))));
}
