using System.Runtime.InteropServices;
using Noisy.Core;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Experiments;

/// <summary>Associative recall with a Neural Turing Machine.</summary>
/// <remarks>
/// <para>An episode's negative log-likelihood is summed over the 3 steps of the answer and averaged over their 6 bits, so that
/// chance is 3 ln 2; the objective is its mean over the batch. Accuracy is the share of answers whose 18 bits are all right.</para>
/// <para>All episodes of an update have one number of items, drawn uniformly from 2 to what the stage allows. Those of training
/// come from the run's seed, those of validation and test from a fixed one: all runs are measured on the same.
/// Source: paper, Section 6.6; docs/paper.md, reference systems.</para>
/// </remarks>
public sealed class NtmRecallTask : ITrainingTask
{
    // Episodes that are evaluated side by side; no result depends on it.
    private const int Chunk = 20;
    private const long FixedSeed = 1;

    private readonly RunConfig config;
    private readonly NtmRecallSettings settings;
    private readonly Curriculum plan;
    private readonly NeuralTuringMachine machine;
    private readonly Device device;
    private readonly NoiseKey training;

    /// <summary>Builds the machine.</summary>
    /// <param name="config">A valid config.</param>
    /// <param name="device">Where it lives.</param>
    public NtmRecallTask(RunConfig config, Device device)
    {
        (this.config, settings, this.device) = (config, config.SettingsAs<NtmRecallSettings>(), device);
        plan = config.Training.Curriculum;
        training = Episodes(config.Seed, Split.Train);
        machine = new NeuralTuringMachine(settings.Shape, config.Activations(), new NoiseClock(config.Seed));
        ScaleController(settings.ControllerGain);
        machine.to(device);
        var evaluated = new[] { Split.Valid, Split.Test }.SelectMany(split => Evaluated(split, Stages)).SelectMany(b => b.Input.Concat(b.Target));
        Data = new DataIdentity("associative recall", DataIdentity.BuiltIn, DataFile.Sha256([.. evaluated.Select(bit => (byte)bit)]));
    }

    private void ScaleController(double gain)
    {
        if (gain == 1) return;
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        foreach (var name in new[] { "weight_ih", "weight_hh" })
        {
            if (machine.get_parameter(name) is { } weight) weight.mul_(tensor((float)gain));
        }
    }

    /// <inheritdoc/>
    public nn.Module Model => machine;

    /// <summary>The machine's sizes.</summary>
    public NtmShape Shape => machine.Shape;

    /// <inheritdoc/>
    public string Backend => machine.LastBackend;

    /// <inheritdoc/>
    public DataIdentity Data { get; }

    /// <inheritdoc/>
    public long UpdatesPerEpoch => config.Training.EpochUpdates!.Value;

    /// <inheritdoc/>
    public bool RepeatsData => false;

    /// <inheritdoc/>
    public int Stages => settings.MaxItems - AssociativeRecall.LeastItems + 1;

    /// <inheritdoc/>
    public string ItemName => "episode";

    /// <inheritdoc/>
    public string Metric => "nll";

    /// <summary>The training episodes of an update.</summary>
    /// <param name="update">Updates done before, ≥ 0.</param>
    /// <param name="stage">Current stage of the curriculum, from 1.</param>
    public RecallBatch Training(long update, int stage)
    {
        var most = plan.Draw(stage, Stages, training.Child("stage").At(0, 0), update);
        var items = AssociativeRecall.LeastItems + training.Child("items").At(0, 0).Below(most, update);
        return AssociativeRecall.Episodes(items, training, update * settings.Batch, settings.Batch);
    }

    /// <summary>The episodes of validation or test, all of as many items as a stage has at most.</summary>
    /// <param name="split">Validation or test.</param>
    /// <param name="stage">Stage of difficulty, from 1.</param>
    public IEnumerable<RecallBatch> Evaluated(Split split, int stage)
    {
        var (items, key, count) = (Items(stage), Episodes(FixedSeed, split), (long)settings.ValidationBatches * settings.Batch);
        for (var first = 0L; first < count; first += Chunk)
            yield return AssociativeRecall.Episodes(items, key, first, (int)Math.Min(Chunk, count - first));
    }

    /// <inheritdoc/>
    public BatchLoss Loss(BatchPosition position, NoiseContext context) => Loss(Training(position.Update, position.Stage), context);

    /// <summary>Forward pass of some episodes.</summary>
    /// <param name="episodes">Which.</param>
    /// <param name="context">Mode, key, update and scale.</param>
    public BatchLoss Loss(RecallBatch episodes, NoiseContext context)
    {
        var (nll, correct) = Forward(episodes, context);
        return new BatchLoss(nll.Times(1.0 / episodes.Count), nll.detach(), episodes.Count, correct);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Metrics(LossSums sums) =>
        new Dictionary<string, double> { ["nll"] = sums.MeanNll, ["accuracy"] = sums.Accuracy };

    /// <summary>Negative log-likelihood and accuracy over episodes of as many items as the stage has at most; in validation at an
    /// easier stage also <c>targetNll</c>, that at the last one.</summary>
    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Evaluate(Split split, int stage, NoiseContext context, CancellationToken stop)
    {
        if (split == Split.Train) throw new ArgumentOutOfRangeException(nameof(split), split, "only validation and test are evaluated");
        var metrics = new Dictionary<string, double>(Metrics(Measure(split, stage, context, stop)));
        if (split == Split.Valid && stage < Stages) metrics["targetNll"] = Measure(split, Stages, context, stop).MeanNll;
        return metrics;
    }

    /// <summary>What the machine does with an episode of the test.</summary>
    /// <param name="index">Which episode, ≥ 0.</param>
    /// <param name="items">How many items it has.</param>
    /// <param name="context">How noise is treated.</param>
    public RecallTrace Trace(long index, int items, NoiseContext context)
    {
        var episode = AssociativeRecall.Episodes(items, Episodes(FixedSeed, Split.Test), index, 1);
        using var scope = NewDisposeScope();
        var trace = machine.Trace(Input(episode), context);
        foreach (var tensor in new[] { trace.Logits, trace.Attention, trace.Memory }) tensor.MoveToOuterDisposeScope();
        return new(episode, trace);
    }

    /// <inheritdoc/>
    public void Dispose() => machine.Dispose();

    private static int Items(int stage) => AssociativeRecall.LeastItems + stage - 1;

    private static NoiseKey Episodes(long seed, Split split) => NoiseKey.FromSeed(seed).Child("recall").Child(split.ToString());

    private LossSums Measure(Split split, int stage, NoiseContext context, CancellationToken stop)
    {
        using var _ = no_grad();
        var total = new LossSums(0, 0, 0);
        foreach (var batch in Evaluated(split, stage))
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var (nll, correct) = Forward(batch, context);
            total += new LossSums(nll.item<float>(), correct.item<long>(), batch.Count);
        }

        return total;
    }

    /// <summary>Summed negative log-likelihood of the answers, and how many are right in every bit.</summary>
    private (Tensor Nll, Tensor Correct) Forward(RecallBatch batch, NoiseContext context)
    {
        var (steps, vectors) = (AssociativeRecall.Steps(batch.Items), AssociativeRecall.Vectors);
        var logits = machine.forward(Input(batch), context).narrow(0, steps - vectors, vectors);
        var target = Values(batch.Target, vectors, batch.Count, AssociativeRecall.Bits);
        var nll = F.binary_cross_entropy_with_logits(logits, target, reduction: nn.Reduction.Sum).Times(1.0 / AssociativeRecall.Bits);
        using var _ = no_grad();
        var right = logits.detach().IsAbove(0).eq(target.IsAbove(0)).all(2).all(0);
        return (nll, right.sum());
    }

    private Tensor Input(RecallBatch batch) => Values(batch.Input, AssociativeRecall.Steps(batch.Items), batch.Count, AssociativeRecall.Inputs);

    private Tensor Values(float[] values, params long[] shape)
    {
        var cpu = empty(shape);
        values.AsSpan().CopyTo(MemoryMarshal.Cast<byte, float>(cpu.bytes));
        return cpu.to(device);
    }
}
