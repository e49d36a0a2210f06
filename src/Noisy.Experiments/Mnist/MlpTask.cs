using System.Runtime.InteropServices;
using Noisy.Core;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Experiments;

/// <summary>A multilayer perceptron that learns to classify.</summary>
/// <remarks>
/// The objective is the mean negative log-likelihood of the batch. A finite training set is gone through in an order of its own
/// in each epoch, a function of seed and epoch alone, so that all variants see the same batches; what is left over at an
/// epoch's end, less than a batch, is not used in it. Training examples without end never repeat. Source: paper, Section 6.1;
/// decisions 17 and 18.
/// </remarks>
public sealed class MlpTask : ITrainingTask
{
    private const int EvaluationBatch = 1000;
    private readonly IClassifiedData data;
    private readonly NoisyMlp model;
    private readonly Device device;
    private readonly NoiseKey orders;
    private readonly int batch;
    private (int Epoch, long[] Order) shuffled = (-1, []);

    /// <summary>Builds the model.</summary>
    /// <param name="config">A valid config.</param>
    /// <param name="data">What is classified.</param>
    /// <param name="device">Where the model lives.</param>
    /// <exception cref="UsageException">There are fewer training examples than a batch has.</exception>
    public MlpTask(RunConfig config, IClassifiedData data, Device device)
    {
        this.data = data;
        this.device = device;
        var settings = config.SettingsAs<MlpSettings>();
        batch = settings.Batch;
        orders = NoiseKey.FromSeed(config.Seed).Child("order");
        UpdatesPerEpoch = data.Count(Split.Train) is { } count ? count / batch : config.Training.EpochUpdates ?? 1;
        if (UpdatesPerEpoch < 1)
            throw new UsageException($"a batch of {batch} is more than the {data.Count(Split.Train)} training examples of {data.Identity.Name}: take a smaller batch");
        long[] widths = [data.Inputs, .. Enumerable.Repeat((long)settings.Hidden, settings.Layers), data.Classes];
        model = new NoisyMlp(widths, config.Activations().Tanh, new NoiseClock(config.Seed));
        model.to(device);
    }

    /// <summary>The network.</summary>
    public NoisyMlp Network => model;

    /// <summary>What is classified.</summary>
    public IClassifiedData Examples => data;

    /// <inheritdoc/>
    public nn.Module Model => model;

    /// <inheritdoc/>
    public string Backend => model.LastBackend;

    /// <inheritdoc/>
    public DataIdentity Data => data.Identity;

    /// <inheritdoc/>
    public long UpdatesPerEpoch { get; }

    /// <inheritdoc/>
    public bool RepeatsData => data.Count(Split.Train) is not null;

    /// <inheritdoc/>
    public string ItemName => "example";

    /// <inheritdoc/>
    public string Metric => "nll";

    /// <inheritdoc/>
    public BatchLoss Loss(BatchPosition position, NoiseContext context)
    {
        var indices = new long[batch];
        var order = Order(position.Epoch);
        for (var b = 0; b < batch; b++) indices[b] = order is null ? (position.Update * batch) + b : order[(position.Index * batch) + b];
        var (sum, correct) = Forward(Split.Train, indices, context);
        return new BatchLoss(sum.Times(1.0 / batch), sum.detach(), batch, correct);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Metrics(LossSums sums) =>
        new Dictionary<string, double> { ["nll"] = sums.MeanNll, ["error"] = 1 - sums.Accuracy };

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Evaluate(Split split, int stage, NoiseContext context, CancellationToken stop)
    {
        if (split == Split.Train) throw new ArgumentOutOfRangeException(nameof(split), split, "only validation and test are evaluated");
        using var _ = no_grad();
        var count = (int)data.Count(split)!;
        var total = default(LossSums);
        for (var first = 0; first < count; first += EvaluationBatch)
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var indices = Enumerable.Range(first, Math.Min(EvaluationBatch, count - first)).Select(i => (long)i).ToArray();
            var (sum, correct) = Forward(split, indices, context);
            total += new LossSums(sum.item<float>(), correct.item<long>(), indices.Length);
        }

        return Metrics(total);
    }

    /// <summary>Some examples as tensors.</summary>
    /// <param name="split">The split.</param>
    /// <param name="indices">Which examples B.</param>
    /// <returns>Inputs [B, in] and classes [B], int64; owned by the caller.</returns>
    public (Tensor Inputs, Tensor Classes) Batch(Split split, long[] indices)
    {
        // In torch's own memory: libtorch's products may depend on where in a cache line their operands begin.
        var (inputs, classes) = (empty(indices.Length, data.Inputs), empty(indices.Length, dtype: ScalarType.Int64));
        data.Fill(split, indices, MemoryMarshal.Cast<byte, float>(inputs.bytes), MemoryMarshal.Cast<byte, long>(classes.bytes));
        return (inputs.to(device), classes.to(device));
    }

    /// <inheritdoc/>
    public void Dispose() => model.Dispose();

    /// <summary>The training order of an epoch; null if examples never repeat.</summary>
    private long[]? Order(int epoch)
    {
        if (data.Count(Split.Train) is not { } count) return null;
        if (shuffled.Epoch != epoch) shuffled = (epoch, Shuffle.Order(orders, epoch, (int)count));
        return shuffled.Order;
    }

    /// <summary>Summed negative log-likelihood, and how many examples are classified right.</summary>
    private (Tensor Sum, Tensor Correct) Forward(Split split, long[] indices, NoiseContext context)
    {
        var (inputs, classes) = Batch(split, indices);
        var logits = model.forward(inputs, context);
        return (F.cross_entropy(logits, classes, reduction: nn.Reduction.Sum), logits.detach().argmax(1).eq(classes).sum());
    }
}
