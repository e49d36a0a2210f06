using System.Runtime.InteropServices;
using Noisy.Core;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Experiments;

/// <summary>Counting the distinct values of a sequence: a classification over the counts 1 to the number of values.</summary>
/// <remarks>
/// A stage of difficulty is a length; all sequences of an update have one, drawn by the curriculum. The objective is the mean
/// negative log-likelihood of the batch. Training sequences never repeat and depend on the run's seed; validation and test are
/// the same for all runs of one length, and at an earlier stage are the beginnings of the same sequences.
/// Source: paper, Section 6.6, Table 5; decisions 20, 21, 23 and 29.
/// </remarks>
public sealed class UniqueElementsTask : ITrainingTask
{
    private const int EvaluationBatch = 500;
    private readonly RunConfig config;
    private readonly UniqueElementsSettings settings;
    private readonly Device device;
    private readonly MeanPoolClassifier model;
    private readonly Curriculum plan;
    private readonly NoiseKey training;

    /// <summary>Builds the model; sequences are made when they are needed.</summary>
    /// <param name="config">A valid config.</param>
    /// <param name="device">Where the model lives.</param>
    public UniqueElementsTask(RunConfig config, Device device)
    {
        this.config = config;
        settings = config.SettingsAs<UniqueElementsSettings>();
        this.device = device;
        plan = config.Training.Curriculum;
        training = UniqueElements.KeyOf(Split.Train, config.Seed);
        model = new MeanPoolClassifier(
            settings.Values, new RecurrentShape(settings.Embedding, settings.Hidden), settings.Mlp, settings.Values, config.Activations(), new NoiseClock(config.Seed));
        model.to(device);
        Data = new DataIdentity("unique elements", DataIdentity.BuiltIn, Sha256());
    }

    /// <inheritdoc/>
    public nn.Module Model => model;

    /// <inheritdoc/>
    public string Backend => model.LastBackend;

    /// <summary>The generated validation and test sets of the full length; the checksum is over both.</summary>
    public DataIdentity Data { get; }

    /// <summary>Error of always answering the most frequent count, by the exact law.</summary>
    public double MajorityError => 1 - UniqueElements.Law(settings.Length, settings.Values).Max();

    /// <inheritdoc/>
    public long UpdatesPerEpoch => config.Training.EpochUpdates!.Value;

    /// <inheritdoc/>
    public bool RepeatsData => false;

    /// <inheritdoc/>
    public int Stages => settings.Length - settings.FirstLength + 1;

    /// <inheritdoc/>
    public string ItemName => "sequence";

    /// <inheritdoc/>
    public string Metric => "error";

    /// <inheritdoc/>
    public BatchLoss Loss(BatchPosition position, NoiseContext context)
    {
        var stage = plan.Draw(position.Stage, Stages, training.Child("lengths").At(0, 0), position.Update);
        var (elements, targets) = Examples(training.Child("elements"), position.Update * settings.Batch, settings.Batch, LengthOf(stage));
        var (sum, correct) = Forward(elements, targets, context);
        return new BatchLoss(sum.Times(1.0 / settings.Batch), sum.detach(), settings.Batch, correct);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Metrics(LossSums sums) =>
        new Dictionary<string, double> { ["error"] = 1 - sums.Accuracy, ["nll"] = sums.MeanNll };

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Evaluate(Split split, int stage, NoiseContext context, CancellationToken stop)
    {
        if (split == Split.Train) throw new ArgumentOutOfRangeException(nameof(split), split, "only validation and test are evaluated");
        using var _ = no_grad();
        var count = split == Split.Valid ? settings.ValidExamples : settings.TestExamples;
        var total = default(LossSums);
        for (var first = 0; first < count; first += EvaluationBatch)
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var batch = Math.Min(EvaluationBatch, count - first);
            var (elements, targets) = Examples(UniqueElements.KeyOf(split, config.Seed), first, batch, LengthOf(stage));
            var (sum, correct) = Forward(elements, targets, context);
            total += new LossSums(sum.item<float>(), correct.item<long>(), batch);
        }

        return Metrics(total);
    }

    /// <inheritdoc/>
    public void Dispose() => model.Dispose();

    private int LengthOf(int stage) => settings.FirstLength + stage - 1;

    /// <summary>Elements [T, B] and, as classes from 0, counts less 1 [B].</summary>
    private (Tensor Elements, Tensor Targets) Examples(NoiseKey key, long first, int count, int length)
    {
        var elements = new long[length * count];
        UniqueElements.Fill(settings.Values, key, first, count, elements);
        var targets = UniqueElements.Distinct(settings.Values, count, elements).Select(k => k - 1L).ToArray();
        return (tensor(elements).reshape(length, count).to(device), tensor(targets).to(device));
    }

    /// <summary>Summed negative log-likelihood, and how many counts are right.</summary>
    private (Tensor Sum, Tensor Correct) Forward(Tensor elements, Tensor targets, NoiseContext context)
    {
        var logits = model.forward(elements, context);
        var correct = logits.detach().argmax(1).eq(targets).sum();
        return (F.cross_entropy(logits, targets, reduction: nn.Reduction.Sum), correct);
    }

    private string Sha256() => DataFile.Sha256([.. new[] { (Split.Valid, settings.ValidExamples), (Split.Test, settings.TestExamples) }.Select(set =>
    {
        var elements = new long[settings.Length * set.Item2];
        UniqueElements.Fill(settings.Values, UniqueElements.KeyOf(set.Item1, config.Seed), 0, set.Item2, elements);
        return MemoryMarshal.AsBytes<long>(elements).ToArray();
    })]);
}
