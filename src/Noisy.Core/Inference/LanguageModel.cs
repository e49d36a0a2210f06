namespace Noisy.Core;

/// <summary>
/// A trained language model (embedding, LSTM or GRU layers, linear output layer), run without torch; immutable, so safe to
/// share between threads.
/// </summary>
/// <remarks>
/// Tensors: <c>encoder</c> [V, E], the layers' under <c>lstm.</c> or <c>gru.</c>, <c>decoder_weight</c> [V, H],
/// <c>decoder_bias</c> [V]. Precision: single, in the layers the bits of the engine that training runs on; weights may be held as integers of
/// eight bits (<see cref="WeightPrecision"/>). Source: paper, Section 6.3.
/// </remarks>
/// <example>
/// <code>
/// using var file = File.OpenRead("weights.safetensors");
/// var model = LanguageModel.Load(file);
/// Console.WriteLine(model.Score(model.Codec.Encode(text).Tokens).Perplexity);
/// </code></example>
public sealed unsafe class LanguageModel
{
    private static readonly string[] Tensors = ["encoder", "decoder_weight", "decoder_bias"];
    private readonly TokenEmbedding encoder;
    private readonly float[] bias;
    private LanguageModelSession? idle; // of Next, whose caller takes it and puts it back

    private LanguageModel(
        SafetensorsContent file, ActivationPair activations, NoiseContext test, TextCodec codec, VectorWidth width, WeightPrecision precision)
    {
        var (encoder, weight, bias) = (file.Tensor(Tensors[0]), file.Tensor(Tensors[1]), file.Tensor(Tensors[2]));
        (Activations, Test, Codec, Precision, Width) = (activations, test, codec, precision, VectorWidths.Resolve(width));
        var layersName = file.Tensors.ContainsKey("gru.weight_hh_l0") ? "gru" : "lstm";
        Layers = new RecurrentStack(file, layersName + ".", activations, test.Scale, width, precision: precision);
        this.encoder = new(encoder.WithShape(Vocabulary, Layers.InputSize), precision);
        Decoder = PackedMatrix.Create(weight.WithShape(Vocabulary, Layers.HiddenSize), 1, Width, precision, inPieces: false);
        this.bias = new float[Decoder.Padded];
        bias.WithShape(Vocabulary).Values.CopyTo(this.bias, 0);
    }

    /// <summary>Reads the <c>weights.safetensors</c> of a finished run of a language model.</summary>
    /// <param name="stream">The file's bytes; the caller closes it.</param>
    /// <param name="width">Vector width; default the best of this machine.</param>
    /// <param name="narrow">Whether weights in double precision may be rounded to single.</param>
    /// <param name="precision">What the weights are held in while the model runs.</param>
    /// <returns>The model.</returns>
    /// <exception cref="InvalidDataException">The bytes are damaged, or of something else, or would be rounded; the message says what is
    /// wrong, as the rest of a sentence that begins with the file's name.</exception>
    public static LanguageModel Load(
        Stream stream, VectorWidth width = VectorWidth.Auto, bool narrow = false, WeightPrecision precision = WeightPrecision.Single)
    {
        if (!Enum.IsDefined(precision)) throw new ArgumentOutOfRangeException(nameof(precision), precision, "must be one of the named precisions");
        var file = SafetensorsReader.Read(stream, narrow);
        if (Array.Find(Tensors, name => !file.Tensors.ContainsKey(name)) is { } missing && ModelMetadata.Experiment(file.Metadata) is { } experiment)
        {
            throw new InvalidDataException(
                $"it has no tensor '{missing}', so it is no language model: a run of the experiment '{experiment}' wrote it. "
                + "SafetensorsReader of Noisy.Core reads its tensors, and Safetensors of Noisy.Models those for the experiment's own model");
        }

        var (activations, test) = ModelMetadata.Read(file.Metadata);
        return new(file, activations, test, ModelMetadata.ReadCodec(file.Metadata), width, precision);
    }

    /// <summary>What replaces tanh and sigmoid.</summary>
    public ActivationPair Activations { get; }

    /// <summary>How the run's test treated noise: mode, and the scale that the schedule had come to.</summary>
    public NoiseContext Test { get; }

    /// <summary>The layers between embedding and output.</summary>
    public RecurrentStack Layers { get; }

    /// <summary>From text to tokens and back.</summary>
    public TextCodec Codec { get; }

    /// <summary>What the weights are held in.</summary>
    public WeightPrecision Precision { get; }

    /// <summary>The output layer.</summary>
    internal PackedMatrix Decoder { get; }

    /// <summary>Width of the vectors, a definite one.</summary>
    internal VectorWidth Width { get; }

    /// <summary>Tokens V.</summary>
    internal int Vocabulary => Codec.Tokens.Count;

    /// <summary>Negative log-likelihood of a text, one token after another in one column.</summary>
    /// <param name="tokens">Token ids, at least two; the first is given, the others are predicted.</param>
    /// <param name="state">State before the first token; default zeros.</param>
    /// <param name="noise">What is done with noise; default as in the run's test. Its scale is not read.</param>
    /// <param name="threads">Threads, ≥ 1; every number gives the same bits.</param>
    /// <returns>Total nats and the state. A text in pieces gives the nats of one in one go.</returns>
    /// <exception cref="ArgumentException">There are fewer than two tokens, or one that the model does not have.</exception>
    public TextScore Score(ReadOnlySpan<int> tokens, RecurrentState? state = null, NoiseContext? noise = null, int threads = 1) =>
        TextScorer.Score(this, [tokens.ToArray()], state, noise ?? Test, threads)[0];

    /// <summary>Negative log-likelihood of several texts, side by side: faster than one after another.</summary>
    /// <param name="texts">Token ids of each, at least two; lengths may differ.</param>
    /// <param name="state">State before the first tokens, a column a text; default zeros.</param>
    /// <param name="noise">What is done with noise; default as in the run's test. Its scale is not read. Drawn noise goes by column: text i has that of
    /// column i of a batch in training, which is not what it would have alone.</param>
    /// <param name="threads">Threads, ≥ 1; every number gives the same bits.</param>
    /// <returns>Nats and state of each text: without drawn noise, the bits of the text alone.</returns>
    /// <exception cref="ArgumentException">There is no text, one has fewer than two tokens or one that the model does not have, or the state has another
    /// number of columns.</exception>
    public IReadOnlyList<TextScore> Score(IReadOnlyList<int[]> texts, RecurrentState? state = null, NoiseContext? noise = null, int threads = 1)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return TextScorer.Score(this, [.. texts], state, noise ?? Test, threads);
    }

    /// <summary>What the model expects after a token, from one state to another; safe to call from several threads.</summary>
    /// <remarks><see cref="CreateSession"/> is faster for many tokens: this copies logits and states, and a noise of one's own costs a session a call.</remarks>
    /// <param name="token">Id of the token.</param>
    /// <param name="state">State before it, of one sequence; default zeros.</param>
    /// <param name="noise">What is done with noise; default as in the run's test. Its scale is not read.</param>
    /// <returns>Logits and the state after the token.</returns>
    /// <exception cref="ArgumentException">The model does not have the token, or the state is of another model or of several sequences.</exception>
    public Prediction Next(int token, RecurrentState? state = null, NoiseContext? noise = null)
    {
        var isKept = noise is null && Test.Mode != NoiseMode.Sample; // a session draws noise by the number of tokens that it has read
        var session = (isKept ? Interlocked.Exchange(ref idle, null) : null) ?? CreateSession(noise: noise);
        try
        {
            if (state is null) session.Reset(0);
            else session.State = state;
            return new Prediction(session.Next(token).ToArray(), session.State);
        }
        finally
        {
            var surplus = isKept ? Interlocked.Exchange(ref idle, session) : session;
            surplus?.Dispose();
        }
    }

    /// <summary>Begins to predict token after token of one or several texts, with states and buffers that are kept from call to call.</summary>
    /// <param name="batch">Texts side by side B, ≥ 1.</param>
    /// <param name="threads">Threads, ≥ 1; every number gives the same bits.</param>
    /// <param name="noise">What is done with noise; default as in the run's test. Its scale is not read; its time step is that of the first token.</param>
    /// <returns>The session, whose states are zeros; the caller disposes it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An argument is below 1, or there are more columns than one array can hold the logits of.</exception>
    public LanguageModelSession CreateSession(int batch = 1, int threads = 1, NoiseContext? noise = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        var most = Array.MaxLength / Math.Max(Decoder.Padded, 1);
        if (batch > most)
            throw new ArgumentOutOfRangeException(nameof(batch), batch, $"one array holds the logits of {most} columns at most: make several sessions");
        return new(this, batch, threads, noise ?? Test);
    }

    /// <summary>Reads a token's embedding.</summary>
    internal void Embed(int token, float* to) => encoder.Read(token, new Span<float>(to, Layers.InputSize));

    /// <summary>Logits of some rows; a member's share of the panels, or all.</summary>
    /// <param name="top">First row of the last layer's outputs.</param>
    /// <param name="rowTop">Floats from row to row of them.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="logits">Receives the logits of a row; class v is at place v, also where only some panels are computed.</param>
    /// <param name="rowLogits">Floats from row to row of the logits.</param>
    /// <param name="firstPanel">First panel of the output layer.</param>
    /// <param name="endPanel">Panel after the last.</param>
    internal void Logits(float* top, nint rowTop, int rows, float* logits, nint rowLogits, int firstPanel, int endPanel)
    {
        fixed (float* start = bias)
        {
            Decoder.Multiply(
                new PackedOperands { X = top, RowX = rowTop, Rows = rows, Start = start, Y = logits, RowY = rowLogits }, 0, 1, firstPanel, endPanel);
        }
    }

    internal void Check(int token)
    {
        if ((uint)token >= (uint)Codec.Tokens.Count)
            throw new ArgumentException($"token {token} is not in the vocabulary, which has ids 0 to {Codec.Tokens.Count - 1}", nameof(token));
    }
}
