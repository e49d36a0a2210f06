using System.Text;
using System.Text.Json;

namespace Noisy.Core;

/// <summary>What a weights file says about itself besides its tensors, so that a reader needs nothing else.</summary>
/// <remarks>
/// Each entry is one text of the safetensors metadata: <c>activations</c> (JSON: name, tanh, sigmoid, every field resolved),
/// <c>noise</c> (JSON: mode and scale of the test), <c>vocabulary</c> (JSON: tokens in order of id), <c>unknown</c> and
/// <c>endOfLine</c> (tokens), <c>unit</c> (Word or Character; absent in files that know words only). Written and read in this file alone.
/// </remarks>
internal static class ModelMetadata
{
    /// <summary>Name of the entry about activations.</summary>
    internal const string Activations = "activations";

    private const string Noise = "noise", Vocabulary = "vocabulary", Unknown = "unknown", EndOfLine = "endOfLine", Unit = "unit", Config = "config";

    /// <summary>The entries about activations and noise.</summary>
    /// <param name="activations">As trained.</param>
    /// <param name="test">Mode and scale of the test.</param>
    internal static Dictionary<string, string> Write(ActivationPair activations, NoiseContext test) => new()
    {
        [Activations] = Json(w =>
        {
            w.WriteStartObject();
            w.WriteString("name", activations.Name);
            Write(w, "tanh", activations.Tanh);
            Write(w, "sigmoid", activations.Sigmoid);
            w.WriteEndObject();
        }),
        [Noise] = Json(w =>
        {
            w.WriteStartObject();
            w.WriteString("mode", test.Mode.ToString());
            if (test.Scale is { } scale) w.WriteNumber("scale", scale);
            w.WriteEndObject();
        }),
    };

    /// <summary>The entries about tokens.</summary>
    internal static Dictionary<string, string> Write(TextCodec codec)
    {
        var entries = new Dictionary<string, string>
        {
            [Vocabulary] = Json(w =>
            {
                w.WriteStartArray();
                foreach (var token in codec.Tokens) w.WriteStringValue(token);
                w.WriteEndArray();
            }),
        };
        if (codec.Unknown is { } unknown) entries[Unknown] = unknown;
        if (codec.EndOfLine is { } end) entries[EndOfLine] = end;
        entries[Unit] = codec.Unit.ToString();
        return entries;
    }

    /// <summary>Reads what <see cref="Write(ActivationPair, NoiseContext)"/> wrote.</summary>
    /// <exception cref="InvalidDataException">An entry is missing or damaged.</exception>
    internal static (ActivationPair Activations, NoiseContext Test) Read(IReadOnlyDictionary<string, string> metadata)
    {
        var pair = Parse(metadata, Activations, root => new ActivationPair(
            root.GetProperty("name").GetString() ?? throw new FormatException("the name is null"), Spec(root.GetProperty("tanh")), Spec(root.GetProperty("sigmoid")), "read from a file"));
        return (pair, ReadTest(metadata));
    }

    /// <summary>Whether a run of this library wrote them; another's file may have an entry of the same name.</summary>
    internal static bool IsOfRun(IReadOnlyDictionary<string, string> metadata) =>
        metadata.ContainsKey(Noise) && (metadata.ContainsKey(Activations) || metadata.ContainsKey(Config));

    /// <summary>Mode and scale of the test alone, which weights of several activations have too.</summary>
    /// <exception cref="InvalidDataException">The entry is missing or damaged.</exception>
    internal static NoiseContext ReadTest(IReadOnlyDictionary<string, string> metadata) => Parse(metadata, Noise, root => new NoiseContext(
        Enum<NoiseMode>(root.GetProperty("mode")), Scale: root.TryGetProperty("scale", out var scale) ? Scale(scale.GetDouble()) : null));

    /// <summary>The experiment whose run wrote a file without a vocabulary, such as "nmt"; null if it has one, or does not tell.</summary>
    internal static string? Experiment(IReadOnlyDictionary<string, string> metadata)
    {
        try
        {
            return metadata.ContainsKey(Config) && !metadata.ContainsKey(Vocabulary) ? Parse(metadata, Config, root => root.GetProperty("experiment").GetString()) : null;
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    /// <summary>Reads what <see cref="Write(TextCodec)"/> wrote.</summary>
    /// <exception cref="InvalidDataException">An entry is missing or damaged.</exception>
    internal static TextCodec ReadCodec(IReadOnlyDictionary<string, string> metadata) => Parse(metadata, Vocabulary, root => new TextCodec(
        [.. root.EnumerateArray().Select(t => t.GetString()!)], metadata.GetValueOrDefault(Unknown), metadata.GetValueOrDefault(EndOfLine),
        metadata.TryGetValue(Unit, out var unit) ? Enum<TextUnit>(unit) : TextUnit.Word));

    private static T Parse<T>(IReadOnlyDictionary<string, string> metadata, string name, Func<JsonElement, T> read)
    {
        if (!metadata.TryGetValue(name, out var text))
        {
            throw new InvalidDataException(metadata.ContainsKey(Config)
                ? $"its metadata lack '{name}': it comes from an older version of Noisy; train the run anew in another folder"
                : $"its metadata lack '{name}': it is not the weights.safetensors of a run of Noisy");
        }

        try
        {
            using var document = StrictJson.Document(Encoding.UTF8.GetBytes(text));
            return read(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException)
        {
            throw new InvalidDataException($"its metadata '{name}' cannot be read ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')})", e);
        }
    }

    private static void Write(Utf8JsonWriter w, string name, NoisyActivationSpec spec)
    {
        w.WriteStartObject(name);
        w.WriteNumber("slope", spec.Unit.Slope);
        w.WriteNumber("offset", spec.Unit.Offset);
        if (double.IsFinite(spec.Unit.Lower)) w.WriteNumber("lower", spec.Unit.Lower);
        if (double.IsFinite(spec.Unit.Upper)) w.WriteNumber("upper", spec.Unit.Upper);
        w.WriteString("soft", spec.Unit.Soft.ToString());
        w.WriteBoolean("useSoft", spec.UseSoft);
        w.WriteString("noise", spec.Noise.ToString());
        w.WriteString("placement", spec.Placement.ToString());
        w.WriteString("scaling", spec.Scaling.ToString());
        w.WriteNumber("alpha", spec.Alpha);
        w.WriteString("alphaOne", spec.AlphaOne.ToString());
        w.WriteNumber("c", spec.C);
        w.WriteBoolean("clipOutput", spec.ClipOutput);
        w.WriteEndObject();
    }

    // How p began and whether it was trained says nothing about its values, which are tensors.
    private static NoisyActivationSpec Spec(JsonElement e) => new NoisyActivationSpec(
        new SaturatingUnit(
            e.GetProperty("slope").GetDouble(), e.GetProperty("offset").GetDouble(),
            e.TryGetProperty("lower", out var lower) ? lower.GetDouble() : double.NegativeInfinity,
            e.TryGetProperty("upper", out var upper) ? upper.GetDouble() : double.PositiveInfinity,
            Enum<SoftFunction>(e.GetProperty("soft"))),
        Enum<NoiseKind>(e.GetProperty("noise")), Enum<NoisePlacement>(e.GetProperty("placement")), Enum<NoiseScaling>(e.GetProperty("scaling")),
        e.GetProperty("alpha").GetDouble(), e.GetProperty("c").GetDouble(), AlphaOne: Enum<AlphaOneRule>(e.GetProperty("alphaOne")),
        ClipOutput: e.GetProperty("clipOutput").GetBoolean(), UseSoft: e.GetProperty("useSoft").GetBoolean()).Validate();

    private static double Scale(double c)
    {
        NoisyFunction.CheckScale(c);
        return c;
    }

    private static T Enum<T>(JsonElement e) where T : struct, Enum => Enum<T>(e.GetString() ?? "null");

    // By name alone: Enum.Parse takes any number, even one that has no name.
    private static T Enum<T>(string name) where T : struct, Enum =>
        System.Enum.GetNames<T>().Contains(name) ? System.Enum.Parse<T>(name) : throw new FormatException($"Requested value '{name}' was not found");

    private static string Json(Action<Utf8JsonWriter> write)
    {
        using var memory = new MemoryStream();
        using (var writer = new Utf8JsonWriter(memory, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping })) write(writer);
        return Encoding.UTF8.GetString(memory.ToArray());
    }
}
