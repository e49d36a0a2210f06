using System.Diagnostics;
using Noisy.Core;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>One session of a run: from its last checkpoint to its end, a limit or an interruption. The training loop.</summary>
internal sealed class TrainingSession : IDisposable
{
    private readonly RunConfig config;
    private readonly ITrainingTask task;
    private readonly TrainingRun run;
    private readonly ITrainingObserver observer;
    private readonly Optimizer optimizer;
    private readonly BestWeights best = new();
    private readonly RunFolder folder;
    private readonly RunLog log;
    private readonly Saver saver;
    private readonly Schedule? schedule;
    private readonly Curriculum plan;
    private readonly StopRules rules;
    private readonly NoiseKey noise;
    private readonly long total, stopAt, perEpoch, perEvaluation, started, startItems;
    private readonly Stopwatch watch = Stopwatch.StartNew();
    private TrainState state;
    private bool toldNotANumber;

    public TrainingSession(TrainingRun run, RunFolder folder, ITrainingObserver observer, long stopAt)
    {
        (this.run, config, task, this.folder, this.observer, this.stopAt) = (run, run.Config, run.Task, folder, observer, stopAt);
        (schedule, plan) = (config.Training.Schedule, config.Training.Curriculum);
        rules = new StopRules(task.HigherIsBetter, config.Training.StopAt, config.Training.Patience);
        noise = config.NoiseKey();
        perEpoch = task.UpdatesPerEpoch;
        total = config.Training.Epochs * perEpoch;
        perEvaluation = perEpoch / task.EvaluationsPerEpoch;
        if (perEvaluation * task.EvaluationsPerEpoch != perEpoch)
            throw new ArgumentException($"{perEpoch} updates an epoch are no multiple of {task.EvaluationsPerEpoch} evaluations", nameof(run));

        optimizer = Optimizer.Create(config.Training.OptimizerSpec(), task.Model);
        optimizer.OwnsGradients = true;
        state = Checkpoint.Load(folder.Checkpoints, task, optimizer.State, best, observer.Note) ?? new TrainState();
        log = RunLog.Resume(folder.Log, new(state.Update, state.Evaluations * perEvaluation, perEvaluation, perEpoch), observer.Note);
        saver = new Saver(folder, task, optimizer, best, log, state.Update);
        (started, startItems) = (state.Update, state.Items);
    }

    private int Stage => plan.StageAt(state.Update, task.Stages, state.Curriculum);

    /// <summary>What the log says of the stage: nothing where there is only one.</summary>
    private int? LoggedStage => task.Stages > 1 ? Stage : null;

    private double RateOf(int epoch) => config.Training.LearningRateAt(epoch) * state.Curriculum.RateFactor;

    /// <summary>Trains; false if it was interrupted.</summary>
    public bool Train(CancellationToken stop)
    {
        observer.Started(run.Folder, config, task.Data, state.Update, stopAt);
        try
        {
            while (true)
            {
                // First, so that a run killed within an evaluation comes back here.
                if (state.Update > 0 && state.Update % perEvaluation == 0 && state.Evaluations < state.Update / perEvaluation)
                {
                    watch.Stop();
                    Evaluate(stop);
                    saver.Save(state);
                    watch.Start();
                }

                var done = state.EndedBy is not null || state.Update >= stopAt;
                if (done || stop.IsCancellationRequested)
                {
                    saver.Save(state);
                    return done;
                }

                Update();
                saver.SaveIfDue(state);
            }
        }
        catch (OperationCanceledException)
        {
            saver.Save(state); // an evaluation was given up
            return false;
        }
    }

    /// <summary>One update: loss, gradient, clip, step.</summary>
    private void Update()
    {
        var clock = Stopwatch.GetTimestamp();
        var position = state.Update % perEpoch;
        var epoch = (int)(state.Update / perEpoch) + 1;
        var (stage, rate, scale) = (Stage, RateOf(epoch), schedule?.At(state.Update));
        if (position % perEvaluation == 0) state = state with { Sums = default };

        var place = new BatchPosition(state.Update, epoch, position, stage);
        var context = new NoiseContext(NoiseMode.Sample, noise, state.Update, 0, scale);
        var sites = state.Update % run.MonitorEvery == 0 ? BatchMonitor.Observe(task, place, context, config.TestContext(state.Update)) : null;
        LossSums sums;
        double norm;
        using (NewDisposeScope())
        {
            var loss = task.Loss(place, context);
            loss.Objective.backward();
            sums = LossSums.From(loss);
            norm = optimizer.GradientNorm();
            if (!IsSound(sums) || !double.IsFinite(norm))
                throw Diverged(place, sums.MeanNll, norm, rate, scale);
            optimizer.Step(rate, state.Update + 1, norm > config.Training.Clip ? config.Training.Clip / norm : 1);
        }

        var logged = LoggedStage;
        state = state with
        {
            Update = state.Update + 1,
            Sums = state.Sums + sums,
            Items = state.Items + sums.Items,
            Seconds = state.Seconds + Stopwatch.GetElapsedTime(clock).TotalSeconds,
        };
        Log(new LogEvent(
            "update", state.Update, epoch, rate, scale, sums.MeanNll, norm, double.IsNaN(sums.Accuracy) ? null : sums.Accuracy, logged, Sites: sites));
        var elapsed = watch.Elapsed;
        observer.Updated(new TrainProgress(state.Update, stopAt, epoch, config.Training.Epochs, state.Sums, rate,
            (state.Items - startItems) / elapsed.TotalSeconds, Left(elapsed.TotalSeconds * (stopAt - state.Update) / (state.Update - started))));
    }

    /// <summary>So many seconds, at most some centuries: epochs without end are ended by a rule, and a time span holds less than they would take.</summary>
    private static TimeSpan Left(double seconds) => TimeSpan.FromSeconds(Math.Min(1e10, seconds));

    private void Log(LogEvent entry)
    {
        folder.EnsureThere();
        log.Write(entry);
    }

    /// <summary>Whether a batch's loss is a number, and so is its perplexity if the task has one.</summary>
    private bool IsSound(LossSums sums) => double.IsFinite(task.Metric == "perplexity" ? Math.Exp(sums.MeanNll) : sums.MeanNll);

    /// <summary>Validation, and what follows from it: the best weights, the curriculum's next stage, the end.</summary>
    private void Evaluate(CancellationToken stop)
    {
        var epoch = (int)((state.Update - 1) / perEpoch) + 1;
        var stage = Stage;
        var valid = task.Evaluate(Split.Valid, stage, config.TestContext(state.Update), stop);
        var train = task.Metrics(state.Sums);
        var entry = new LogEvent(
            state.Update % perEpoch == 0 ? "epoch" : "check", state.Update, epoch, RateOf(epoch), schedule?.At(state.Update), Stage: LoggedStage, Train: train, Valid: valid);
        Log(entry);
        observer.Evaluated(entry);
        if (double.IsNaN(valid[task.Metric]) && !toldNotANumber)
        {
            toldNotANumber = true;
            observer.Note($"validation gives no number for {task.Metric} (NaN) at update {state.Update}: nothing is judged by it, and tables count the run as one without a figure");
        }

        state = state with { Evaluations = state.Update / perEvaluation, Train = train, Valid = valid, ValidStage = stage };
        if (stage == task.Stages)
        {
            state = rules.After(state, valid[task.Metric]) with { History = [.. state.History, new Validation(state.Update, valid)] };
            if (state.EndedBy is null && task.IsOver(state.History)) state = state with { EndedBy = RunEnd.Rule };
            if (config.Training.KeepBest && state.BestUpdate == state.Update) best.Capture(task.Model.state_dict());
        }

        if (plan.GoesByResults)
        {
            state = state with { Curriculum = plan.After(state.Sums.Accuracy, Accuracies.In(valid) ?? double.NaN, task.Stages, state.Curriculum) };
            if (plan.IsOver(state.Curriculum)) state = state with { EndedBy = state.EndedBy ?? RunEnd.LearningRate };
        }

        if (Ending(state.EndedBy) is { } why) observer.Note($"ends at update {state.Update}: {why}");
    }

    private string? Ending(RunEnd? end) => end switch
    {
        RunEnd.StopAt => $"validation has reached stopAt, {config.Training.StopAt}",
        RunEnd.Patience => $"{config.Training.Patience} validations without improvement",
        RunEnd.LearningRate => "the curriculum has lowered the learning rate to its end",
        RunEnd.Rule => "the experiment's stop rule holds",
        _ => null,
    };

    /// <summary>Gives the model the weights that are tested: the final ones, or the best if the config keeps them.</summary>
    public void TakeTestedWeights()
    {
        if (best.Tensors.Count > 0) best.Restore(task.Model);
    }

    /// <summary>Tests what the run has come to, by the weights of <see cref="TakeTestedWeights"/>.</summary>
    public RunSummary Summarise(CancellationToken stop)
    {
        var stage = best.Tensors.Count > 0 ? task.Stages : Stage;
        var context = config.TestContext(Tested);

        // At the last stage, whichever was reached: runs are compared by these.
        var known = state.Evaluations * perEvaluation == Tested && state.ValidStage == task.Stages ? state.Valid : null;
        var valid = known ?? task.Evaluate(Split.Valid, task.Stages, context, stop);
        var test = task.Evaluate(Split.Test, task.Stages, context, stop); // before the path is requested, which a pass decides
        var ended = state.EndedBy ?? (state.Update >= total ? RunEnd.Epochs : null);
        return new RunSummary
        {
            Experiment = config.Experiment,
            Preset = config.Preset,
            Activation = config.Activation.Name,
            Label = run.Label ?? config.Activation.Name,
            Seed = config.Seed,
            Device = run.Device.type.ToString().ToLowerInvariant(),
            Backend = task.Backend,
            Threads = run.Threads,
            Data = task.Data,
            Updates = state.Update,
            Epochs = (double)state.Update / perEpoch,
            Seconds = state.Seconds,
            ItemsPerSecond = state.Seconds > 0 ? state.Items / state.Seconds : 0,
            ItemName = task.ItemName,
            Finished = ended is not null,
            EndedBy = ended,
            SolvedAtUpdate = state.SolvedAtUpdate,
            Stage = task.Stages > 1 ? stage : null,
            WeightsSha256 = WeightsHash.Compute(task.Model),
            Metric = task.Metric,
            Metrics = new SplitMetrics(task.Metrics(state.Sums), valid, test),
            Floor = run.Floor,
            Table = run.Paper?.Table,
            Row = run.Paper?.Row,
            Paper = run.Paper,
            BestValid = state.Best,
            BestUpdate = state.Best is null ? null : state.BestUpdate,
            Config = ConfigJson.ToJson(config),
            Sites = run.MonitorEvery is null ? null : SiteSummary.FromLog(folder.Log),
            Versions = RunVersions.Current,
        };
    }

    /// <summary>What the exported weights say about themselves: all that a reader without torch needs.</summary>
    public Dictionary<string, string> Metadata() =>
        new(ModelDescription.Write(task.Model, config.Activations(), config.TestContext(Tested)).Concat(task.Metadata))
        {
            ["config"] = ConfigJson.ToJson(config).ToJsonString(ConfigJson.Line),
        };

    /// <inheritdoc/>
    public void Dispose()
    {
        log.Dispose();
        best.Dispose();
        optimizer.Dispose();
    }

    /// <summary>Update of the weights that are tested: its noise scale belongs to them.</summary>
    private long Tested => best.Tensors.Count > 0 ? state.BestUpdate : state.Update;

    private DivergedException Diverged(BatchPosition place, double loss, double norm, double rate, double? scale)
    {
        var norms = task.Model.named_parameters().Select(p => (p.name, Norm: p.parameter.detach().norm().to_type(ScalarType.Float64).item<double>()))
            .OrderByDescending(p => p.Norm).Take(8).Select(p => $"{p.name} {p.Norm:G4}");
        var at = scale is { } c ? $"noise scale {c:G4}" : "each site's own noise scale";
        return new DivergedException(
            $"training diverged at update {state.Update + 1} (epoch {place.Epoch}): loss {loss:G6}, gradient norm {norm:G6}, learning rate {rate:G4}, {at}; "
            + $"largest weight norms: {string.Join(", ", norms)}. "
            + (saver.Saved > 0 ? $"The checkpoint of update {saver.Saved} is kept. " : "It came before the first checkpoint. ")
            + (task.FaultOf(place) is { } fault ? $"The cause: {fault}" : "Try a smaller learningRate or clip, or --set clipOutput=true, with another --out"));
    }
}
