using System.Globalization;
using System.IO.Compression;
using System.Text;
using Noisy.Core;

namespace Noisy.Examples;

/// <summary>Scores a text with a trained language model, or writes one, with the core alone.</summary>
public static class TextTool
{
    private const string Usage = """
        usage: textconsole score MODEL.safetensors TEXT
               textconsole sample MODEL.safetensors [--words N] [--temperature T] [--seed N] [--prompt "..."]
        """;

    /// <summary>Runs a command.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="output">Receives the result.</param>
    /// <param name="error">Receives one line if something is wrong.</param>
    /// <returns>0 done, 2 wrong usage, 3 a file is missing or damaged.</returns>
    public static int Run(string[] arguments, TextWriter output, TextWriter error)
    {
        try
        {
            switch (arguments)
            {
                case ["score", var model, var text]:
                    Score(model, text, output);
                    return 0;
                case ["sample", var model, .. var options]:
                    Sample(model, SampleOptions.Parse(options), output);
                    return 0;
                case ["--help" or "-h"]:
                    output.WriteLine(Usage);
                    return 0;
                default:
                    error.WriteLine(arguments is ["score" or "sample", ..]
                        ? $"'{arguments[0]}' needs {(arguments[0] == "score" ? "a model and a text" : "a model")}; see textconsole --help"
                        : "a command is needed: score or sample; see textconsole --help");
                    return 2;
            }
        }
        catch (ToolException e)
        {
            error.WriteLine(e.Message);
            return e.ExitCode;
        }
    }

    private static void Score(string modelPath, string textPath, TextWriter output)
    {
        LanguageModel model = Load(modelPath);
        EncodedText text = Read(textPath, s =>
        {
            using var reader = new StreamReader(textPath.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(s, CompressionMode.Decompress) : s, Encoding.UTF8);
            return model.Codec.Encode(reader.ReadToEnd());
        });
        if (text.Tokens.Length < 2) throw new ToolException(3, $"{textPath}: it has {text.Tokens.Length} words, too few to predict one");
        TextScore score = model.Score(text.Tokens, threads: Environment.ProcessorCount);
        Write(output, $"tokens      {score.Predicted} predicted, {text.Replaced} of them unknown to the model");
        Write(output, $"nats        {score.Nats:F4}");
        Write(output, $"perplexity  {score.Perplexity:F6}");
    }

    private static void Sample(string modelPath, SampleOptions options, TextWriter output)
    {
        LanguageModel model = Load(modelPath);
        TextCodec codec = model.Codec;

        // A text begins where another one ended.
        List<int> tokens = codec.EndOfLine is { } end ? [codec.Id(end)] : [];
        try
        {
            tokens.AddRange(codec.Encode(options.Prompt).Tokens);
        }
        catch (InvalidDataException e)
        {
            throw new ToolException(2, $"--prompt: {e.Message}");
        }

        if (tokens.Count == 0) throw new ToolException(2, "this model has no end of line to begin after: give it a --prompt");
        int given = codec.EndOfLine is null ? 0 : 1;
        int prompted = tokens.Count;
        NoiseKey key = NoiseKey.FromSeed(options.Seed).Child("sample");
        using LanguageModelSession session = model.CreateSession();
        for (int i = 0; i < prompted - 1 + options.Words; i++)
        {
            session.Next(tokens[i]);
            if (i >= prompted - 1) tokens.Add(session.Sample(key.At(update: 0, timeStep: i), options.Temperature));
        }

        output.WriteLine(codec.Decode(tokens.Skip(given)).TrimEnd('\n'));
    }

    private static LanguageModel Load(string path) => Read(path, s => LanguageModel.Load(s));

    private static T Read<T>(string path, Func<Stream, T> read)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            return read(stream);
        }
        catch (FileNotFoundException)
        {
            throw new ToolException(3, $"{path}: there is no such file");
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            throw new ToolException(3, $"{path}: {e.Message}");
        }
    }

    private static void Write(TextWriter output, FormattableString line) => output.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    private sealed record SampleOptions(int Words = 50, double Temperature = 1, long Seed = 1, string Prompt = "")
    {
        internal static SampleOptions Parse(string[] arguments)
        {
            var options = new SampleOptions();
            for (int i = 0; i < arguments.Length; i += 2)
            {
                string name = arguments[i];
                if (name is not ("--words" or "--temperature" or "--seed" or "--prompt"))
                    throw new ToolException(2, $"unknown option '{name}'; known are --words, --temperature, --seed, --prompt");
                if (i + 1 == arguments.Length) throw new ToolException(2, $"{name} needs a value");
                string value = arguments[i + 1];
                var culture = CultureInfo.InvariantCulture;
                options = name switch
                {
                    "--words" when int.TryParse(value, NumberStyles.None, culture, out int words) => options with { Words = words },
                    "--temperature" when double.TryParse(value, NumberStyles.Float, culture, out double t) && t >= 0 && double.IsFinite(t) => options with { Temperature = t },
                    "--seed" when long.TryParse(value, NumberStyles.AllowLeadingSign, culture, out long seed) => options with { Seed = seed },
                    "--prompt" => options with { Prompt = value },
                    _ => throw new ToolException(2, $"{name} {value}: must be {Wanted(name)}"),
                };
            }

            return options;
        }

        private static string Wanted(string name) => name switch
        {
            "--temperature" => "a number, 0 or more",
            "--words" => "an integer, 0 or more",
            _ => "an integer",
        };
    }

    private sealed class ToolException(int exitCode, string message) : Exception(message)
    {
        internal int ExitCode { get; } = exitCode;
    }
}
