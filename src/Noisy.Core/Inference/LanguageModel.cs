namespace Noisy.Core;

/// <summary>
/// A trained language model (embedding, LSTM or GRU layers, linear output layer), run without torch; immutable, so safe to
/// share between threads.
/// </summary>
/// <remarks>
/// Tensors: <c>encoder</c> [V, E], the layers' under <c>lstm.</c> or <c>gru.</c>, <c>decoder_weight</c> [V, H],
/// <c>decoder_bias</c> [V]. Precision: single, the bits of the engine that training runs on. Source: paper, Section 6.3.
/// </remarks>
/// <example>
/// <code>
/// using var file = File.OpenRead("weights.safetensors");
/// var model = LanguageModel.Load(file);
/// Console.WriteLine(model.Score(model.Codec.Encode(text).Tokens).Perplexity);
/// </code></example>
public sealed class LanguageModel
{
    private const int Window = 256;
    private static readonly string[] Tensors = ["encoder", "decoder_weight", "decoder_bias"];
    private readonly FloatTensor encoder, weight, bias;
    private readonly VectorWidth width;
    private readonly Lazy<PackedMatrix> decoder;
    private readonly Lazy<float[]> paddedBias;

    private LanguageModel(SafetensorsContent file, ActivationPair activations, NoiseContext test, TextCodec codec, VectorWidth width)
    {
        (encoder, weight, bias) = (file.Tensor(Tensors[0]), file.Tensor(Tensors[1]), file.Tensor(Tensors[2]));
        (Activations, Test, Codec, this.width) = (activations, test, codec, VectorWidths.Resolve(width));
        var layersName = file.Tensors.ContainsKey("gru.weight_hh_l0") ? "gru" : "lstm";
        Layers = new RecurrentStack(file, layersName + ".", activations, test.Scale, width);
        encoder.WithShape(codec.Tokens.Count, Layers.InputSize);
        weight.WithShape(codec.Tokens.Count, Layers.HiddenSize);
        bias.WithShape(codec.Tokens.Count);
        decoder = new(() => PackedMatrix.Create(weight, 1, this.width));
        paddedBias = new(() =>
        {
            var padded = new float[Padding.RoundUp(bias.Values.Length)];
            bias.Values.CopyTo(padded, 0);
            return padded;
        });
    }

    /// <summary>Reads the <c>weights.safetensors</c> of a finished run of a language model.</summary>
    /// <param name="stream">The file's bytes; the caller closes it.</param>
    /// <param name="width">Vector width; default the best of this machine.</param>
    /// <param name="narrow">Whether weights in double precision may be rounded to single.</param>
    /// <returns>The model.</returns>
    /// <exception cref="InvalidDataException">The bytes are damaged, or of something else, or would be rounded; the message says what is
    /// wrong, as the rest of a sentence that begins with the file's name.</exception>
    public static LanguageModel Load(Stream stream, VectorWidth width = VectorWidth.Auto, bool narrow = false)
    {
        var file = SafetensorsReader.Read(stream, narrow);
        if (Array.Find(Tensors, name => !file.Tensors.ContainsKey(name)) is { } missing && ModelMetadata.Experiment(file.Metadata) is { } experiment)
        {
            throw new InvalidDataException(
                $"it has no tensor '{missing}', so it is no language model: a run of the experiment '{experiment}' wrote it. "
                + "SafetensorsReader of Noisy.Core reads its tensors, and Safetensors of Noisy.Models those for the experiment's own model");
        }

        var (activations, test) = ModelMetadata.Read(file.Metadata);
        return new(file, activations, test, ModelMetadata.ReadCodec(file.Metadata), width);
    }

    /// <summary>What replaces tanh and sigmoid.</summary>
    public ActivationPair Activations { get; }

    /// <summary>How the run's test treated noise: mode, and the scale that the schedule had come to.</summary>
    public NoiseContext Test { get; }

    /// <summary>The layers between embedding and output.</summary>
    public RecurrentStack Layers { get; }

    /// <summary>From text to tokens and back.</summary>
    public TextCodec Codec { get; }

    /// <summary>Negative log-likelihood of a text, one token after another in one column.</summary>
    /// <param name="tokens">Token ids, at least two; the first is given, the others are predicted.</param>
    /// <param name="state">State before the first token; default zeros.</param>
    /// <param name="noise">What is done with noise; default as in the run's test. Its scale is not read.</param>
    /// <param name="threads">Threads, ≥ 1; every number gives the same bits.</param>
    /// <returns>Total nats and the state. A text in pieces gives the nats of one in one go.</returns>
    /// <exception cref="ArgumentException">There are fewer than two tokens, or one that the model does not have.</exception>
    public unsafe TextScore Score(ReadOnlySpan<int> tokens, RecurrentState? state = null, NoiseContext? noise = null, int threads = 1)
    {
        if (tokens.Length < 2) throw new ArgumentException($"a text of {tokens.Length} tokens cannot be scored: at least two are needed", nameof(tokens));
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        var (kernel, context, nats) = (SoftmaxKernel.Create(width), noise ?? Test, 0.0);
        state ??= Layers.ZeroState();
        for (var start = 0; start < tokens.Length - 1; start += Window)
        {
            var steps = Math.Min(Window, tokens.Length - 1 - start);
            var targets = tokens.Slice(start + 1, steps).ToArray();
            foreach (var target in targets) Check(target);
            (var top, state) = Top(tokens.Slice(start, steps), state, context.Later(start));
            fixed (float* hidden = top, weights = weight.Values, biases = bias.Values)
            {
                var inputs = new SoftmaxInputs
                {
                    Hidden = hidden, Weight = weights, Bias = biases, Rows = steps, Units = Layers.HiddenSize, Classes = Codec.Tokens.Count,
                };
                using var tape = kernel.Forward(inputs, targets, default, threads);
                nats += tape.Losses.Sum();
            }
        }

        return new TextScore(nats, tokens.Length - 1, state);
    }

    /// <summary>What the model expects after a token.</summary>
    /// <param name="token">Id of the token.</param>
    /// <param name="state">State before it; default zeros.</param>
    /// <param name="noise">What is done with noise; default as in the run's test. Its scale is not read.</param>
    /// <returns>Logits and the state after the token.</returns>
    /// <exception cref="ArgumentException">The model does not have the token.</exception>
    public Prediction Next(int token, RecurrentState? state = null, NoiseContext? noise = null)
    {
        var (top, next) = Top([token], state ?? Layers.ZeroState(), noise ?? Test);
        var logits = new float[decoder.Value.Outputs];
        decoder.Value.Multiply(top, 1, paddedBias.Value, logits);
        return new Prediction(logits[..Codec.Tokens.Count], next);
    }

    /// <summary>What the output layer sees, [T, H].</summary>
    private (float[] Top, RecurrentState State) Top(ReadOnlySpan<int> tokens, RecurrentState state, NoiseContext context)
    {
        var x = new float[tokens.Length * Layers.InputSize];
        for (var t = 0; t < tokens.Length; t++)
        {
            Check(tokens[t]);
            encoder.Values.AsSpan(tokens[t] * Layers.InputSize, Layers.InputSize).CopyTo(x.AsSpan(t * Layers.InputSize));
        }

        var top = new float[tokens.Length * Layers.HiddenSize];
        return (top, Layers.Forward(x, state, top, context));
    }

    private void Check(int token)
    {
        if ((uint)token >= (uint)Codec.Tokens.Count)
            throw new ArgumentException($"token {token} is not in the vocabulary, which has ids 0 to {Codec.Tokens.Count - 1}", nameof(token));
    }
}
