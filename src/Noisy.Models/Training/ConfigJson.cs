using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Noisy.Core;

namespace Noisy.Models;

/// <summary>Configs, states and summaries as JSON: camel case, round trip exact, one place for its options.</summary>
public static class ConfigJson
{
    /// <summary>Indented JSON for files that people read.</summary>
    public static JsonSerializerOptions Indented { get; } = Create(true);

    /// <summary>One line, for log events.</summary>
    public static JsonSerializerOptions Line { get; } = Create(false);

    // What was written may be read only if it is all there: no null where there must be a value, nothing that must be there left out.
    private static readonly JsonSerializerOptions Strict = new(Line) { RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true };

    // The same, and no field of another form.
    private static readonly JsonSerializerOptions Known = new(Strict) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow };

    /// <summary>Reads a value that was written as JSON, and may have been damaged since.</summary>
    /// <param name="text">The JSON.</param>
    /// <param name="knownFields">Whether a field that the type does not have is an error; default false: it is passed over.</param>
    /// <exception cref="JsonException">It is not the JSON of such a value, whatever is wrong with it.</exception>
    internal static T Parse<T>(string text, bool knownFields = false)
        where T : class
    {
        StrictJson.Check(text);
        return JsonSerializer.Deserialize<T>(text, knownFields ? Known : Strict) ?? throw new JsonException("it is null");
    }

    /// <summary>Sets one field by its JSON name.</summary>
    /// <param name="config">The config to start from; not changed.</param>
    /// <param name="name">JSON name of the field; case does not matter.</param>
    /// <param name="value">The value as text; "null" clears a field that may be empty.</param>
    /// <returns>The changed config, of the same type; not validated.</returns>
    /// <exception cref="UsageException">The name is unknown (the message lists those that exist), fixed, or the value is not of its type.</exception>
    public static TrainConfig With(this TrainConfig config, string name, string value)
    {
        var json = ToJson(config);
        var fields = json.Select(f => f.Key).Where(f => f is not ("experiment" or "preset")).ToList();
        var field = fields.FirstOrDefault(f => f.Equals(name, StringComparison.OrdinalIgnoreCase))
            ?? throw new UsageException($"--set {name}={value}: there is no field '{name}'; known are {string.Join(", ", fields)}");
        var property = Properties(config).First(p => p.Name == field);
        try
        {
            json[field] = Parse(value, property.PropertyType);
            return (TrainConfig)json.Deserialize(config.GetType(), Indented)!;
        }
        catch (Exception e) when (e is JsonException or FormatException or OverflowException or InvalidOperationException or ArgumentException)
        {
            throw new UsageException($"--set {name}={value}: '{value}' is not {Describe(property.PropertyType)}", e);
        }
    }

    /// <summary>A config as a JSON object.</summary>
    public static JsonObject ToJson(TrainConfig config) =>
        JsonSerializer.SerializeToNode(config, config.GetType(), Indented)!.AsObject();

    /// <summary>Reads a config that was written as JSON; a field that the version that wrote it did not know has its default.</summary>
    /// <param name="json">What <see cref="ToJson"/> gave; other fields do not matter.</param>
    /// <param name="type">The experiment's type of config.</param>
    /// <exception cref="JsonException">It is not such a config.</exception>
    public static TrainConfig Read(JsonObject json, Type type)
    {
        StrictJson.Check(json.ToJsonString(Line));
        return (TrainConfig)json.Deserialize(type, Strict)!;
    }

    /// <summary>The fields in which two JSON objects differ, as "name: left there, right now".</summary>
    /// <param name="there">What was found.</param>
    /// <param name="now">What is asked for.</param>
    public static IReadOnlyList<string> Differences(JsonObject there, JsonObject now) =>
        now.Select(f => f.Key).Union(there.Select(f => f.Key))
            .Where(k => !JsonNode.DeepEquals(there[k], now[k]))
            .Select(k => $"{k}: {there[k]?.ToJsonString(Line) ?? "null"} there, {now[k]?.ToJsonString(Line) ?? "null"} now")
            .ToList();

    private static IEnumerable<JsonPropertyInfo> Properties(TrainConfig config) => Indented.GetTypeInfo(config.GetType()).Properties;

    private static JsonNode? Parse(string text, Type type)
    {
        var inner = Nullable.GetUnderlyingType(type) ?? type;
        if (text == "null" && (inner != type || type == typeof(string))) return null;
        if (inner == typeof(string) || inner.IsEnum) return JsonValue.Create(text);
        var culture = System.Globalization.CultureInfo.InvariantCulture;
        if (inner == typeof(bool)) return JsonValue.Create(bool.Parse(text));

        // Float allows no thousands: "1,15" is an error, not 115.
        if (inner == typeof(double)) return JsonValue.Create(double.Parse(text, System.Globalization.NumberStyles.Float, culture));
        return JsonValue.Create(long.Parse(text, culture));
    }

    private static string Describe(Type type)
    {
        var inner = Nullable.GetUnderlyingType(type) ?? type;
        if (inner.IsEnum) return "one of " + string.Join(", ", Enum.GetNames(inner).Select(JsonNamingPolicy.CamelCase.ConvertName));
        return inner == typeof(bool) ? "true or false" : inner == typeof(double) ? "a number" : "a whole number in range";
    }

    private static JsonSerializerOptions Create(bool indented) => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = indented,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };
}
