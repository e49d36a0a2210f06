using Noisy.Core;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>A language model with its text: state carried from window to window, zeroed at the start of each epoch, or more often.</summary>
/// <remarks>
/// The objective is the negative log-likelihood summed over time and averaged over the batch, as in Zaremba's code: the
/// gradients of the time steps add up, and the clip acts on their sum. Texts are evaluated as they are learned: validation runs
/// in the training's number of streams; test of words in one stream, one after another, state never reset (decision 26); of
/// characters, of which there are many more, in as many streams as validation. Source: docs/paper.md, reference systems.
/// </remarks>
public sealed class LanguageModelTask : ITrainingTask
{
    private const int TestWindow = 256;
    private readonly LanguageModelSettings settings;
    private readonly LanguageModelData data;
    private readonly BpttBatches batches;
    private readonly RecurrentLanguageModel model;
    private readonly Device device;
    private readonly CarriedState state;

    /// <summary>Builds the model and lays out the text.</summary>
    /// <param name="config">A valid config.</param>
    /// <param name="data">The text.</param>
    /// <param name="device">Where the model lives.</param>
    /// <exception cref="UsageException">The text is too short for batch and window.</exception>
    public LanguageModelTask(RunConfig config, LanguageModelData data, Device device)
    {
        settings = config.SettingsAs<LanguageModelSettings>();
        this.data = data;
        this.device = device;
        var train = settings.TrainTokens > 0 && settings.TrainTokens < data.Train.Length ? data.Train[..settings.TrainTokens] : data.Train;
        batches = new BpttBatches(train, settings.Batch, settings.Bptt);
        model = new RecurrentLanguageModel(
            data.Vocabulary.Count,
            new RecurrentShape(settings.Embedding ?? settings.Hidden, settings.Hidden, settings.Layers, Dropout: settings.Dropout),
            config.Activations(), settings.InitRange, new NoiseClock(config.Seed), settings.Cell);
        model.to(device);
        state = new CarriedState(model, settings.Batch, device);
    }

    /// <inheritdoc/>
    public nn.Module Model => model;

    /// <inheritdoc/>
    public string Backend => model.LastBackend;

    /// <inheritdoc/>
    public DataIdentity Data => data.Identity;

    /// <inheritdoc/>
    public IReadOnlyList<string> DataNotes => data.Notes ?? [];

    /// <summary>The exact entropy of the text's source, where it is known.</summary>
    public SourceEntropy? Floor => data.Floor;

    /// <inheritdoc/>
    public long UpdatesPerEpoch => batches.Count;

    /// <inheritdoc/>
    public string ItemName => Characters ? "character" : "token";

    /// <inheritdoc/>
    public string Metric => Characters ? "bpc" : "perplexity";

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => ModelMetadata.Write(data.Codec);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Carried => state.ByName;

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> carried) => state.Restore(carried);

    /// <inheritdoc/>
    public BatchLoss Loss(BatchPosition position, NoiseContext context)
    {
        if (StartsAnew(position.Index)) state.Zero();
        var (inputs, targets) = batches.At((int)position.Index);
        var tokens = tensor(inputs, ScalarType.Int64).reshape(settings.Bptt, settings.Batch).to(device);
        var (sum, next) = model.Loss(tokens, tensor(targets, ScalarType.Int64).to(device), state.Now, context);
        state.Keep(next);
        return new BatchLoss(sum.Times(1.0 / settings.Batch), sum.detach(), inputs.Length);
    }

    /// <summary>Nats a token; besides them perplexity of words, or bits per character.</summary>
    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Metrics(LossSums sums) => new Dictionary<string, double>
    {
        [Metric] = Characters ? sums.MeanNll / Math.Log(2) : Math.Exp(sums.MeanNll),
        ["nll"] = sums.MeanNll,
    };

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Evaluate(Split split, int stage, NoiseContext context, CancellationToken stop) => split switch
    {
        Split.Valid => Evaluate(data.Valid, Streams(data.Valid), settings.Bptt, context, stop),
        Split.Test when Characters => Evaluate(data.Test, Streams(data.Test), settings.Bptt, context, stop),
        Split.Test => Evaluate(data.Test, 1, settings.CarryWindows > 0 ? settings.Bptt : TestWindow, context, stop),
        _ => throw new ArgumentOutOfRangeException(nameof(split), split, "only validation and test are evaluated"),
    };

    /// <inheritdoc/>
    public void Dispose()
    {
        state.Dispose();
        model.Dispose();
    }

    private bool Characters => data.Unit == TextUnit.Character;

    private bool StartsAnew(long window) => window == 0 || (settings.CarryWindows > 0 && window % settings.CarryWindows == 0);

    private int Streams(int[] text) => Math.Min(settings.Batch, Math.Max(1, text.Length / 2));

    private IReadOnlyDictionary<string, double> Evaluate(int[] text, int streams, int window, NoiseContext context, CancellationToken stop)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var length = text.Length / streams;
        if (length < 2) throw new UsageException($"a text of {text.Length} tokens is too short to be evaluated in {streams} streams");
        var grid = tensor(text.AsSpan(0, length * streams).ToArray(), ScalarType.Int64).reshape(streams, length).t().contiguous().to(device);
        IReadOnlyList<Tensor> running = [];
        double sum = 0;
        for (var start = 0; start < length - 1; start += window)
        {
            stop.ThrowIfCancellationRequested();
            using var inner = NewDisposeScope();
            if (StartsAnew(start / window)) running = model.ZeroState(streams, device);
            var steps = Math.Min(window, length - 1 - start);
            var (nll, next) = model.Loss(grid.narrow(0, start, steps), grid.narrow(0, start + 1, steps).reshape(-1), running, context);
            sum += nll.item<float>();
            running = [.. next.Select(s => s.MoveToOuterDisposeScope())];
        }

        return Metrics(new LossSums(sum, double.NaN, (length - 1L) * streams));
    }
}
