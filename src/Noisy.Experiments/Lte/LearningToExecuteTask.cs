using System.Text;
using Noisy.Core;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>Learning to Execute: programs side by side in streams, read character by character, state carried from window to
/// window and from program to program, zeroed at the start of each epoch.</summary>
/// <remarks>
/// <para>The objective is the negative log-likelihood of the answers' characters, summed over time and divided by the number of
/// streams. Accuracy is the share of the answers' characters that the model expects most, given the true ones before.</para>
/// <para>Training programs are new in every epoch and whenever the stage changes; a change within an epoch takes effect at the
/// next window. They are drawn from the run's seed, those of validation and test from a fixed one, so that all runs are
/// measured on the same programs; no program of one part is in another. Source: docs/paper.md, reference systems.</para>
/// </remarks>
public sealed class LearningToExecuteTask : ITrainingTask
{
    private const long FixedSeed = 1;
    private readonly RunConfig config;
    private readonly LearningToExecuteSettings settings;
    private readonly Curriculum plan;
    private readonly RecurrentLanguageModel model;
    private readonly Device device;
    private readonly CarriedState state;
    private readonly Dictionary<(Split Split, int Stage), ProgramStreams> evaluated = [];
    private (int Epoch, int Stage, ProgramStreams Streams)? current;

    /// <summary>Builds the model.</summary>
    /// <param name="config">A valid config.</param>
    /// <param name="device">Where the model lives.</param>
    public LearningToExecuteTask(RunConfig config, Device device)
    {
        (this.config, settings, this.device) = (config, config.SettingsAs<LearningToExecuteSettings>(), device);
        plan = config.Training.Curriculum;
        var texts = new[] { Split.Valid, Split.Test }.SelectMany(split => Evaluation(split, Stages).Programs).Select(p => p.Program.Text);
        Data = new DataIdentity("programs", DataIdentity.BuiltIn, DataFile.Sha256(Encoding.UTF8.GetBytes(string.Join('\n', texts))));
        model = new RecurrentLanguageModel(
            ProgramAlphabet.Characters.Length, new RecurrentShape(settings.Hidden, settings.Hidden, settings.Layers),
            config.Activations(), settings.InitRange, new NoiseClock(config.Seed));
        model.to(device);
        state = new CarriedState(model, settings.Batch, device);
    }

    /// <inheritdoc/>
    public nn.Module Model => model;

    /// <inheritdoc/>
    public string Backend => model.LastBackend;

    /// <inheritdoc/>
    public DataIdentity Data { get; }

    /// <inheritdoc/>
    public long UpdatesPerEpoch => config.Training.EpochUpdates!.Value;

    /// <inheritdoc/>
    public int EvaluationsPerEpoch => 2;

    /// <inheritdoc/>
    public bool RepeatsData => false;

    /// <inheritdoc/>
    public int Stages => settings.Stages;

    /// <inheritdoc/>
    public string ItemName => "answer character";

    /// <inheritdoc/>
    public string Metric => "accuracy";

    /// <inheritdoc/>
    public bool HigherIsBetter => true;

    /// <summary>The characters as a vocabulary, so that the exported weights run without torch.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; } =
        ModelMetadata.Write(new TextCodec([.. ProgramAlphabet.Characters.Select(c => c.ToString())], null, null, TextUnit.Character));

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Carried => state.ByName;

    /// <summary>Accuracy on the test programs of someone who knows the place of a character in its answer, and which
    /// character is most frequent there, but not the program.</summary>
    public double AccuracyByPlace
    {
        get
        {
            var targets = Evaluation(Split.Test, Stages).Programs.Select(p => p.Program.Target).ToList();
            var right = Enumerable.Range(0, targets.Max(t => t.Length))
                .Sum(place => targets.Where(t => t.Length > place).GroupBy(t => t[place]).Max(g => g.Count()));
            return (double)right / targets.Sum(t => t.Length);
        }
    }

    /// <summary>The training programs of an epoch.</summary>
    /// <param name="epoch">Epoch, from 1.</param>
    /// <param name="stage">Current stage of the curriculum, from 1.</param>
    public ProgramStreams Training(int epoch, int stage)
    {
        if (current is not { } found || found.Epoch != epoch || found.Stage != stage)
        {
            var key = Programs(config.Seed, Split.Train).Child((uint)epoch).Child((uint)stage);
            ProgramDifficulty Drawn(NoiseStream stream, int draw) => ProgramDifficulty.OfStage(plan.Draw(stage, Stages, stream, draw), settings.Length);
            found = (epoch, stage, ProgramStreams.Create(Drawn, Split.Train, key, settings.Batch, config.Training.EpochUpdates!.Value, settings.Bptt));
            current = found;
        }

        return found.Streams;
    }

    /// <summary>The programs of validation or test at a stage.</summary>
    /// <param name="split">Validation or test.</param>
    /// <param name="stage">Stage of difficulty, from 1.</param>
    public ProgramStreams Evaluation(Split split, int stage)
    {
        if (!evaluated.TryGetValue((split, stage), out var streams))
        {
            var difficulty = ProgramDifficulty.OfStage(stage, settings.Length);
            streams = ProgramStreams.Create(
                (_, _) => difficulty, split, Programs(FixedSeed, split).Child((uint)stage), settings.Batch, settings.EvaluationWindows, settings.Bptt);
            evaluated[(split, stage)] = streams;
        }

        return streams;
    }

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> carried) => state.Restore(carried);

    /// <inheritdoc/>
    public BatchLoss Loss(BatchPosition position, NoiseContext context)
    {
        if (position.Index == 0) state.Zero();
        var (inputs, targets, counted) = Training(position.Epoch, position.Stage).At((int)position.Index);
        var (sum, correct, next) = model.LossAndCorrect(Window(inputs), tensor(targets).to(device), state.Now, context);
        state.Keep(next);
        return new BatchLoss(sum.Times(1.0 / settings.Batch), sum.detach(), counted, correct);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Metrics(LossSums sums) =>
        new Dictionary<string, double> { ["accuracy"] = sums.Accuracy, ["nll"] = sums.MeanNll };

    /// <summary>Accuracy and mean negative log-likelihood of the answers' characters; in validation at an easier stage also
    /// <c>targetAccuracy</c>, that at the last one.</summary>
    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Evaluate(Split split, int stage, NoiseContext context, CancellationToken stop)
    {
        if (split == Split.Train) throw new ArgumentOutOfRangeException(nameof(split), split, "only validation and test are evaluated");
        var metrics = new Dictionary<string, double>(Metrics(Measure(Evaluation(split, stage), context, stop)));
        if (split == Split.Valid && stage < Stages) metrics["targetAccuracy"] = Measure(Evaluation(split, Stages), context, stop).Accuracy;
        return metrics;
    }

    /// <summary>Answers of the model to the first programs of the test.</summary>
    /// <param name="count">How many at most, ≥ 0.</param>
    /// <param name="context">How noise is treated.</param>
    public IReadOnlyList<ProgramPrediction> Predict(int count, NoiseContext context)
    {
        var streams = Evaluation(Split.Test, Stages);
        var expected = new long[streams.Windows][];
        Run(streams.Windows, (window, running) =>
        {
            var (logits, next) = model.forward(Window(streams.At(window).Inputs), running, context);
            expected[window] = logits.argmax(1).cpu().data<long>().ToArray();
            return next;
        }, CancellationToken.None);

        char At(int stream, int row) => ProgramAlphabet.Characters[(int)expected[(row - 1) / streams.Steps][((row - 1) % streams.Steps * streams.Streams) + stream]];
        return [.. streams.Programs.Take(count).Select(p => new ProgramPrediction(p.Program, string.Concat(
            Enumerable.Range(p.Program.Question.Length, p.Program.Target.Length).Select(i => At(p.Stream, p.Start + i)))))];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        state.Dispose();
        model.Dispose();
    }

    private Tensor Window(long[] inputs) => tensor(inputs).reshape(settings.Bptt, settings.Batch).to(device);

    private LossSums Measure(ProgramStreams streams, NoiseContext context, CancellationToken stop)
    {
        var total = new LossSums(0, 0, 0);
        Run(streams.Windows, (window, running) =>
        {
            var (inputs, targets, counted) = streams.At(window);
            var (sum, correct, next) = model.LossAndCorrect(Window(inputs), tensor(targets).to(device), running, context);
            total += new LossSums(sum.item<float>(), correct.item<long>(), counted);
            return next;
        }, stop);
        return total;
    }

    /// <summary>Goes through all windows from zero states, leaving what training carries alone.</summary>
    private void Run(int windows, Func<int, IReadOnlyList<Tensor>, IReadOnlyList<Tensor>> step, CancellationToken stop)
    {
        using var _ = no_grad();
        using var running = new CarriedState(model, settings.Batch, device);
        for (var window = 0; window < windows; window++)
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            running.Keep(step(window, running.Now));
        }
    }

    private static NoiseKey Programs(long seed, Split split) => NoiseKey.FromSeed(seed).Child("programs").Child(split.ToString());
}
