using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

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
    /// <param name="name">JSON name of a field of <see cref="TrainingSettings"/> or of the experiment's own settings, or "seed", or
    /// "activation", which takes the name of one of the library's variants; case does not matter.</param>
    /// <param name="value">The value as text; "null" clears a field that may be empty.</param>
    /// <returns>The changed config; not validated.</returns>
    /// <exception cref="UsageException">The name is unknown (the message lists those that exist), or the value is not of its type.</exception>
    /// <exception cref="InvalidSpecException">The value is no schedule, no curriculum or no variant.</exception>
    public static RunConfig With(this RunConfig config, string name, string value)
    {
        if (!Fields(config).Contains(name, StringComparer.OrdinalIgnoreCase)) name = Renamed.GetValueOrDefault(name, name);
        if (name.Equals("activation", StringComparison.OrdinalIgnoreCase)) return config with { Activation = Variants.ByName(value) };
        if (name.Equals("seed", StringComparison.OrdinalIgnoreCase)) return config with { Seed = (long)Value("seed", typeof(long), value)!.GetValue<long>() };
        if (Field(typeof(TrainingSettings), name) is { } training)
        {
            var changed = (TrainingSettings)Changed(config.Training, training, value);
            if (training.PropertyType != typeof(Schedule)) return config with { Training = changed with { Schedule = config.Training.Schedule } }; // text does not hold a function
            if (changed.Schedule?.ToString().Contains(FunctionSchedule.Mark, StringComparison.Ordinal) == true)
                throw new UsageException($"--set {name}={value}: this schedule is a function, which only the script that defines it can give");
            return config with { Training = changed };
        }

        if (config.Settings is { } settings && Field(settings.GetType(), name) is { } own)
            return config with { Settings = Changed(settings, own, value) };
        throw new UsageException($"--set {name}={value}: there is no field '{name}'; known are {string.Join(", ", Fields(config))}");
    }

    /// <summary>JSON names of the fields that <see cref="With"/> sets, besides activation and seed.</summary>
    /// <param name="config">A config of the experiment.</param>
    public static IReadOnlyList<string> Fields(RunConfig config) =>
        [.. new[] { typeof(TrainingSettings), config.Settings?.GetType() }.OfType<Type>().SelectMany(Properties).Select(p => p.Name)];

    /// <summary>A config as one flat JSON object: experiment, preset, activation, seed, training settings, the experiment's own.</summary>
    /// <remarks>An activation that is not the library's variant of its name has its definition beside it.</remarks>
    /// <exception cref="ArgumentException">A field of the experiment's own settings has the name of another field.</exception>
    public static JsonObject ToJson(RunConfig config)
    {
        var json = new JsonObject { ["experiment"] = config.Experiment, ["preset"] = config.Preset, ["activation"] = config.Activation.Name };
        if (!Variants.All.Any(v => v.Name == config.Activation.Name && v.Tanh == config.Activation.Tanh && v.Sigmoid == config.Activation.Sigmoid))
            json[Definition] = new JsonObject { ["tanh"] = Describe(config.Activation.Tanh), ["sigmoid"] = Describe(config.Activation.Sigmoid) };
        json["seed"] = config.Seed;
        foreach (var part in new[] { config.Training, config.Settings }.OfType<object>())
            foreach (var (name, value) in JsonSerializer.SerializeToNode(part, part.GetType(), Indented)!.AsObject())
                if (name is Data or Definition || !json.TryAdd(name, value?.DeepClone()))
                    throw new ArgumentException($"the settings of '{config.Experiment}' have a field '{name}', which every run has: give it another name");
        return json;
    }

    /// <summary>Reads a config that was written as JSON; a field that the version that wrote it did not know has its default.</summary>
    /// <param name="json">What <see cref="ToJson"/> gave; other fields do not matter.</param>
    /// <param name="settings">The type of the experiment's own settings; null if it has none.</param>
    /// <exception cref="JsonException">It is not such a config.</exception>
    public static RunConfig Read(JsonObject json, Type? settings)
    {
        StrictJson.Check(json.ToJsonString(Line));
        foreach (var (old, name) in Renamed)
            if ((settings is null || Field(settings, old) is null) && json.TryGetPropertyValue(old, out var value) && !json.ContainsKey(name)) json[name] = value?.DeepClone();
        var head = json.Deserialize<Head>(Strict)!;
        try
        {
            return new()
            {
                Experiment = head.Experiment,
                Preset = head.Preset,
                Activation = head.ActivationDefinition is { } own ? new ActivationPair(head.Activation, own.Tanh, own.Sigmoid, "read from a file") : Variants.ByName(head.Activation),
                Seed = head.Seed,
                Training = json.Deserialize<TrainingSettings>(Strict)!,
                Settings = settings is null ? null : json.Deserialize(settings, Strict),
            };
        }
        catch (InvalidSpecException e)
        {
            throw new JsonException(e.Message, e);
        }
    }

    /// <summary>The fields in which two JSON objects differ, as "name: left there, right now".</summary>
    /// <param name="there">What was found.</param>
    /// <param name="now">What is requested.</param>
    public static IReadOnlyList<string> Differences(JsonObject there, JsonObject now) =>
        now.Select(f => f.Key).Union(there.Select(f => f.Key))
            .Where(k => !JsonNode.DeepEquals(there[k], now[k]))
            .SelectMany(k => there[k] is JsonObject left && now[k] is JsonObject right
                ? Differences(left, right).Select(inner => $"{k}.{inner}")
                : [$"{k}: {there[k]?.ToJsonString(Line) ?? "null"} there, {now[k]?.ToJsonString(Line) ?? "null"} now"])
            .ToList();

    /// <summary>The fields that an experiment's own settings have got or lost since a config was written, a sentence each. A field of
    /// the training that an older version did not know, or called otherwise, is not among them.</summary>
    /// <param name="there">What was found.</param>
    /// <param name="now">What is requested.</param>
    /// <param name="settings">The type of the experiment's own settings; null if it has none.</param>
    internal static IReadOnlyList<string> OtherFields(JsonObject there, JsonObject now, Type? settings) =>
    [
        .. (settings is null ? [] : Properties(settings)).Select(p => p.Name).Where(k => !there.ContainsKey(k))
            .Select(k => $"no field {k} there, {now[k]?.ToJsonString(Line) ?? "null"} now"),
        .. there.Select(f => f.Key).Where(k => k != Definition && !now.ContainsKey(k) && !(Renamed.TryGetValue(k, out var name) && now.ContainsKey(name)))
            .Select(k => $"{k}: {there[k]?.ToJsonString(Line) ?? "null"} there, no such field now"),
    ];

    /// <summary>The fields of a config that are the experiment's own settings.</summary>
    /// <param name="config">What <see cref="ToJson"/> gave.</param>
    internal static IEnumerable<KeyValuePair<string, JsonNode?>> OwnSettings(JsonObject config) =>
        config.Where(field => !Properties(typeof(Head)).Concat(Properties(typeof(TrainingSettings))).Any(p => p.Name == field.Key));

    /// <summary>Fields that older versions called otherwise: their name then, and now.</summary>
    internal static IReadOnlyDictionary<string, string> Renamed { get; } = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase) { ["look"] = "attentionKind" };

    // The folder of a run adds what the data are.
    private const string Data = "data", Definition = "activationDefinition";

    private sealed record Head(string Experiment, string Preset, string Activation, long Seed, Own? ActivationDefinition = null);

    private sealed record Own(NoisyActivationSpec Tanh, NoisyActivationSpec Sigmoid);

    /// <summary>A spec as JSON: every field, nothing computed.</summary>
    internal static JsonObject Describe(NoisyActivationSpec spec)
    {
        var json = JsonSerializer.SerializeToNode(spec, Indented)!.AsObject();
        foreach (var computed in new[] { "usesP", "leakSign" }) json.Remove(computed);
        foreach (var computed in new[] { "lowerThreshold", "upperThreshold" }) json["unit"]!.AsObject().Remove(computed);
        return json;
    }

    private static IEnumerable<JsonPropertyInfo> Properties(Type type) => Indented.GetTypeInfo(type).Properties;

    private static JsonPropertyInfo? Field(Type type, string name) => Properties(type).FirstOrDefault(p => p.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    private static object Changed(object settings, JsonPropertyInfo field, string text)
    {
        var json = JsonSerializer.SerializeToNode(settings, settings.GetType(), Indented)!.AsObject();
        json[field.Name] = Value(field.Name, field.PropertyType, text);
        try
        {
            return json.Deserialize(settings.GetType(), Indented)!;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw NotOf(field.Name, field.PropertyType, text, e);
        }
    }

    private static JsonNode? Value(string name, Type type, string text)
    {
        try
        {
            return Parse(text, type);
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            throw NotOf(name, type, text, e);
        }
    }

    private static UsageException NotOf(string name, Type type, string text, Exception cause) => new($"--set {name}={text}: '{text}' is not {Describe(type)}", cause);

    /// <summary>The type of a value that may be missing; the type itself if it may not.</summary>
    private static Type Inner(Type type) => Nullable.GetUnderlyingType(type)
        ?? (type.IsGenericType && type.GetGenericTypeDefinition().FullName == "Microsoft.FSharp.Core.FSharpOption`1" ? type.GetGenericArguments()[0] : type);

    private static JsonNode? Parse(string text, Type type)
    {
        var inner = Inner(type);
        if (text == "null" && (inner != type || !type.IsValueType)) return null;
        if (inner == typeof(string) || inner.IsEnum || inner == typeof(Schedule) || inner == typeof(Curriculum)) return JsonValue.Create(text);
        var culture = System.Globalization.CultureInfo.InvariantCulture;
        if (inner == typeof(bool)) return JsonValue.Create(bool.Parse(text));

        // Float allows no thousands: "1,15" is an error, not 115.
        if (inner == typeof(double) || inner == typeof(float)) return JsonValue.Create(double.Parse(text, System.Globalization.NumberStyles.Float, culture));
        if (inner == typeof(int) || inner == typeof(long)) return JsonValue.Create(long.Parse(text, culture));
        throw new FormatException($"a {inner.Name} has no text form");
    }

    private static string Describe(Type type)
    {
        var inner = Inner(type);
        if (inner.IsEnum) return "one of " + string.Join(", ", Enum.GetNames(inner).Select(JsonNamingPolicy.CamelCase.ConvertName));
        return inner == typeof(bool) ? "true or false" : inner == typeof(double) || inner == typeof(float) ? "a number"
            : inner == typeof(int) || inner == typeof(long) ? "an integer in range" : $"a value that text can give: {inner.Name} is set in code alone";
    }

    private static JsonSerializerOptions Create(bool indented) => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = indented,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false), new TextConverter<Schedule>(Schedule.Parse), new TextConverter<Curriculum>(Curriculum.Parse) },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    /// <summary>A value that has a text form, as text.</summary>
    private sealed class TextConverter<T>(Func<string, T> parse) : JsonConverter<T>
        where T : class
    {
        public override bool CanConvert(Type type) => typeof(T).IsAssignableFrom(type);

        public override T? Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.String ? parse(reader.GetString()!) : throw new JsonException($"a {typeof(T).Name.ToLowerInvariant()} is text");

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }
}
