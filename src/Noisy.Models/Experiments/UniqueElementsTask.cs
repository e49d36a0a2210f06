using System.Runtime.InteropServices;
using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

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
    private readonly UniqueElementsConfig config;
    private readonly Device device;
    private readonly MeanPoolClassifier model;
    private readonly Curriculum plan;
    private readonly NoiseKey training;

    /// <summary>Builds the model; sequences are made when they are needed.</summary>
    /// <param name="config">A valid config.</param>
    /// <param name="device">Where the model lives.</param>
    public UniqueElementsTask(UniqueElementsConfig config, Device device)
    {
        this.config = config;
        this.device = device;
        plan = config.CurriculumPlan();
        training = UniqueElements.KeyOf(Split.Train, config.Seed);
        model = new MeanPoolClassifier(
            config.Values, new RecurrentShape(config.Embedding, config.Hidden), config.Mlp, config.Values, config.Activations(), new NoiseClock(config.Seed));
        model.to(device);
        Data = new DataIdentity("unique elements", DataIdentity.BuiltIn, Sha256());
    }

    /// <inheritdoc/>
    public nn.Module Model => model;

    /// <inheritdoc/>
    public string Path => model.LastPath;

    /// <summary>The generated validation and test sets of the full length; the checksum is over both.</summary>
    public DataIdentity Data { get; }

    /// <summary>Error of always answering the most frequent count, by the exact law.</summary>
    public double MajorityError => 1 - UniqueElements.Law(config.Length, config.Values).Max();

    /// <inheritdoc/>
    public long UpdatesPerEpoch => config.EpochUpdates;

    /// <inheritdoc/>
    public bool RepeatsData => false;

    /// <inheritdoc/>
    public int Stages => config.Length - config.FirstLength + 1;

    /// <inheritdoc/>
    public string ItemName => "sequence";

    /// <inheritdoc/>
    public string Metric => "error";

    /// <inheritdoc/>
    public BatchLoss Loss(TrainingMoment moment, NoiseContext context)
    {
        var stage = plan.Draw(moment.Stage, Stages, training.Child("lengths").At(0, 0), moment.Update);
        var (elements, targets) = Examples(training.Child("elements"), moment.Update * config.Batch, config.Batch, LengthOf(stage));
        var (sum, correct) = Score(elements, targets, context);
        return new BatchLoss(sum.Times(1.0 / config.Batch), sum.detach(), config.Batch, correct);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Metrics(Score score) =>
        new Dictionary<string, double> { ["error"] = 1 - score.Accuracy, ["nll"] = score.MeanNll };

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Evaluate(Split split, int stage, NoiseContext context, CancellationToken stop)
    {
        if (split == Split.Train) throw new ArgumentOutOfRangeException(nameof(split), split, "only validation and test are evaluated");
        using var _ = no_grad();
        var count = split == Split.Valid ? config.ValidExamples : config.TestExamples;
        var total = default(Score);
        for (var first = 0; first < count; first += EvaluationBatch)
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var batch = Math.Min(EvaluationBatch, count - first);
            var (elements, targets) = Examples(UniqueElements.KeyOf(split, config.Seed), first, batch, LengthOf(stage));
            var (sum, correct) = Score(elements, targets, context);
            total += new Score(sum.item<float>(), correct.item<long>(), batch);
        }

        return Metrics(total);
    }

    /// <inheritdoc/>
    public void Dispose() => model.Dispose();

    private int LengthOf(int stage) => config.FirstLength + stage - 1;

    /// <summary>Elements [T, B] and, as classes from 0, counts less 1 [B].</summary>
    private (Tensor Elements, Tensor Targets) Examples(NoiseKey key, long first, int count, int length)
    {
        var elements = new long[length * count];
        UniqueElements.Fill(config.Values, key, first, count, elements);
        var targets = UniqueElements.Distinct(config.Values, count, elements).Select(k => k - 1L).ToArray();
        return (tensor(elements).reshape(length, count).to(device), tensor(targets).to(device));
    }

    /// <summary>Summed negative log-likelihood, and how many counts are right.</summary>
    private (Tensor Sum, Tensor Correct) Score(Tensor elements, Tensor targets, NoiseContext context)
    {
        var logits = model.forward(elements, context);
        var correct = logits.detach().argmax(1).eq(targets).sum();
        return (F.cross_entropy(logits, targets, reduction: nn.Reduction.Sum), correct);
    }

    private string Sha256() => DataFile.Sha256([.. new[] { (Split.Valid, config.ValidExamples), (Split.Test, config.TestExamples) }.Select(set =>
    {
        var elements = new long[config.Length * set.Item2];
        UniqueElements.Fill(config.Values, UniqueElements.KeyOf(set.Item1, config.Seed), 0, set.Item2, elements);
        return MemoryMarshal.AsBytes<long>(elements).ToArray();
    })]);
}
