using System.Diagnostics;
using System.Text.Json;
using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What changes where and how long a run goes on, but not its result.</summary>
/// <param name="Folder">The run's folder.</param>
/// <param name="Device">Where the model lives; the task is built there.</param>
/// <param name="Threads">CPU threads, ≥ 1. The fused engine gives the same bits for any number.</param>
/// <param name="MaxUpdates">Stop after this many updates; null goes to the end.</param>
public sealed record TrainOptions(string Folder, Device Device, int Threads, long? MaxUpdates = null);

/// <summary>The training loop: one readable function that can be killed at any moment and goes on exactly.</summary>
public static class Trainer
{
    /// <summary>Trains a run to its end, or from where it stopped.</summary>
    /// <param name="config">What to train; valid.</param>
    /// <param name="task">Model and data, freshly built from the config.</param>
    /// <param name="options">Folder, device, threads, limit.</param>
    /// <param name="paper">The published figure to set beside it, if any.</param>
    /// <param name="floor">Best attainable test metric, if known.</param>
    /// <param name="observer">Sees the progress.</param>
    /// <param name="stop">Asks to finish the update, write a checkpoint and return.</param>
    /// <returns>The summary; null if interrupted.</returns>
    /// <exception cref="UsageException">The folder cannot be used.</exception>
    /// <exception cref="DivergedException">A loss or gradient is not finite; the last checkpoint is kept.</exception>
    public static RunSummary? Run(
        TrainConfig config, ITrainingTask task, TrainOptions options, PaperFigure? paper, double? floor, ITrainingObserver observer, CancellationToken stop)
    {
        config.Validate();
        torch.set_num_threads(options.Threads);
        using var folder = RunFolder.Open(options.Folder, config, task.Data, observer.Note);
        var total = config.Epochs * task.UpdatesPerEpoch;
        var stopAt = Math.Min(total, options.MaxUpdates ?? total);
        if (RunSummary.Read(folder.Summary) is { } done && (done.Finished || done.Updates >= stopAt))
        {
            observer.Note($"{options.Folder} is done ({done.Updates} updates): not repeated");
            return done;
        }

        try
        {
            return Run(config, task, options, paper, floor, observer, folder, stopAt, total, stop);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunFolder.CannotWrite(folder.Path, e);
        }
    }

    private static RunSummary? Run(
        TrainConfig config, ITrainingTask task, TrainOptions options, PaperFigure? paper, double? floor, ITrainingObserver observer,
        RunFolder folder, long stopAt, long total, CancellationToken stop)
    {
        using var optimizer = Optimizer.Of(config.OptimizerSpec(), task.Model);
        var state = Checkpoint.Load(folder.Checkpoints, task, optimizer.State, observer.Note) ?? new TrainState();
        using var log = new RunLog(folder.Log, state.LogLength);
        var saver = new Saver(folder, task, optimizer, log, state.Update);
        observer.Started(options.Folder, config, task.Data, state.Update, stopAt);
        var noise = NoiseKey.FromSeed(config.Seed).Child("noise");
        var schedule = config.NoiseSchedule();
        var perEpoch = task.UpdatesPerEpoch;
        var (sitting, started, startItems) = (Stopwatch.StartNew(), state.Update, state.Items);
        try
        {
            while (true)
            {
                // Evaluation at the end of an epoch; first, so that a run killed within it comes back here.
                if (state.Update > 0 && state.Update % perEpoch == 0 && state.EpochsEvaluated < state.Update / perEpoch)
                {
                    sitting.Stop();
                    state = EndEpoch(config, task, observer, state, schedule, log, stop);
                    saver.Save(state);
                    sitting.Start();
                }

                if (state.Update >= stopAt) break;
                if (stop.IsCancellationRequested)
                {
                    saver.Save(state);
                    return null;
                }

                var clock = Stopwatch.GetTimestamp();
                var position = state.Update % perEpoch;
                var epoch = (int)(state.Update / perEpoch) + 1;
                var rate = config.LearningRateAt(epoch);
                var scale = schedule?.At(state.Update);
                if (position == 0) state = state with { EpochNll = 0, EpochItems = 0 };

                double nll, norm;
                long items;
                using (NewDisposeScope())
                {
                    var loss = task.Loss(position, new NoiseContext(NoiseMode.Sample, noise, state.Update, 0, scale));
                    loss.Objective.backward();
                    (nll, items) = (loss.NllSum.item<float>(), loss.Items);
                    norm = optimizer.GradientNorm();
                    if (!double.IsFinite(Math.Exp(nll / items)) || !double.IsFinite(norm)) // a perplexity beyond all numbers counts too
                        throw Diverged(task, state.Update, epoch, nll / items, norm, rate, scale, saver.Saved);
                    optimizer.Step(rate, state.Update + 1, norm > config.Clip ? config.Clip / norm : 1);
                }

                state = state with
                {
                    Update = state.Update + 1,
                    EpochNll = state.EpochNll + nll,
                    EpochItems = state.EpochItems + items,
                    Items = state.Items + items,
                    Seconds = state.Seconds + Stopwatch.GetElapsedTime(clock).TotalSeconds,
                };
                log.Write(new LogEvent("update", state.Update, epoch, rate, scale, nll / items, norm));
                var elapsed = sitting.Elapsed;
                observer.Updated(new TrainProgress(state.Update, stopAt, epoch, config.Epochs, state.EpochNll / state.EpochItems, rate,
                    (state.Items - startItems) / elapsed.TotalSeconds, elapsed * ((double)(stopAt - state.Update) / (state.Update - started))));
                saver.SaveIfDue(state);
            }

            saver.Save(state);
            observer.Note("evaluating");
            var summary = Summarise(config, task, options, paper, floor, state, state.Update >= total, stop);
            AtomicFile.Write(folder.Weights, s => Safetensors.Write(s, task.Model.state_dict(), Metadata(config, task, state)));
            AtomicFile.Write(folder.Summary, JsonSerializer.Serialize(summary, ConfigJson.Indented) + "\n");
            return summary;
        }
        catch (OperationCanceledException)
        {
            saver.Save(state);
            return null;
        }
    }

    private static TrainState EndEpoch(
        TrainConfig config, ITrainingTask task, ITrainingObserver observer, TrainState state, Schedule? schedule, RunLog log, CancellationToken stop)
    {
        var epoch = (int)(state.Update / task.UpdatesPerEpoch);
        var valid = task.Evaluate(Split.Valid, TestContext(config, schedule, state), stop);
        var train = task.Metrics(state.EpochNll / state.EpochItems);
        var entry = new LogEvent("epoch", state.Update, epoch, config.LearningRateAt(epoch), schedule?.At(state.Update), Train: train, Valid: valid);
        log.Write(entry);
        observer.Evaluated(entry);
        var better = !(valid[task.Metric] >= state.Best);
        return state with
        {
            EpochsEvaluated = epoch,
            Train = train,
            Valid = valid,
            Best = better ? valid[task.Metric] : state.Best,
            BestUpdate = better ? state.Update : state.BestUpdate,
        };
    }

    private static RunSummary Summarise(
        TrainConfig config, ITrainingTask task, TrainOptions options, PaperFigure? paper, double? floor, TrainState state, bool finished, CancellationToken stop)
    {
        var context = TestContext(config, config.NoiseSchedule(), state);
        var atEpochEnd = state.Update % task.UpdatesPerEpoch == 0 && state.Valid is not null;
        var valid = atEpochEnd ? state.Valid! : task.Evaluate(Split.Valid, context, stop);
        var train = atEpochEnd ? state.Train! : task.Metrics(state.EpochNll / Math.Max(1, state.EpochItems));
        return new RunSummary
        {
            Experiment = config.Experiment,
            Preset = config.Preset,
            Activation = config.Activation,
            Seed = config.Seed,
            Device = options.Device.type.ToString().ToLowerInvariant(),
            Path = task.Path,
            Threads = options.Threads,
            Data = task.Data,
            Updates = state.Update,
            Epochs = (double)state.Update / task.UpdatesPerEpoch,
            Seconds = state.Seconds,
            ItemsPerSecond = state.Seconds > 0 ? state.Items / state.Seconds : 0,
            ItemName = task.ItemName,
            Finished = finished,
            WeightsSha256 = WeightsHash.Of(task.Model),
            Metrics = new SplitMetrics(train, valid, task.Evaluate(Split.Test, context, stop)),
            Floor = floor,
            Table = paper?.Table,
            Row = paper?.Row,
            Paper = paper,
            BestValid = state.Best,
            Config = ConfigJson.ToJson(config),
            Versions = RunVersions.Current,
        };
    }

    /// <summary>What the exported weights say about themselves: all that a reader without torch needs.</summary>
    private static Dictionary<string, string> Metadata(TrainConfig config, ITrainingTask task, TrainState state) =>
        new(ModelMetadata.Write(config.Activations(), TestContext(config, config.NoiseSchedule(), state)).Concat(task.Metadata))
        {
            ["config"] = ConfigJson.ToJson(config).ToJsonString(ConfigJson.Line),
        };

    private static NoiseContext TestContext(TrainConfig config, Schedule? schedule, TrainState state) =>
        new(config.TestNoise, Scale: schedule?.At(state.Update));

    private static DivergedException Diverged(
        ITrainingTask task, long update, int epoch, double loss, double norm, double rate, double? scale, long saved)
    {
        var norms = task.Model.named_parameters().Select(p => (p.name, Norm: (double)p.parameter.detach().norm().item<float>()))
            .OrderByDescending(p => p.Norm).Take(8).Select(p => $"{p.name} {p.Norm:G4}");
        var at = scale is { } c ? $"noise scale {c:G4}" : "each site's own noise scale";
        return new DivergedException(
            $"training diverged at update {update + 1} (epoch {epoch}): loss {loss:G6}, gradient norm {norm:G6}, learning rate {rate:G4}, {at}; "
            + $"largest weight norms: {string.Join(", ", norms)}. "
            + (saved > 0 ? $"The checkpoint of update {saved} is kept. " : "It came before the first checkpoint. ")
            + "Try a smaller learningRate or clip, or --set clipOutput=true, with another --out");
    }

    /// <summary>Saves checkpoints so often that a kill loses little, and so rarely that it costs under 5 % of the time.</summary>
    private sealed class Saver(RunFolder folder, ITrainingTask task, Optimizer optimizer, RunLog log, long loaded)
    {
        private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1), Longest = TimeSpan.FromSeconds(60);
        private TimeSpan interval = Shortest;
        private long last = Stopwatch.GetTimestamp();

        /// <summary>Update of the newest checkpoint; 0 if there is none.</summary>
        public long Saved { get; private set; } = loaded;

        public void SaveIfDue(TrainState state)
        {
            if (Stopwatch.GetElapsedTime(last) >= interval) Save(state);
        }

        public void Save(TrainState state)
        {
            var start = Stopwatch.GetTimestamp();
            log.Sync();
            Checkpoint.Save(folder.Checkpoints, task, optimizer.State, state with { LogLength = log.Length });
            Saved = state.Update;
            last = Stopwatch.GetTimestamp();
            interval = TimeSpan.FromTicks(Math.Clamp(20 * (last - start) * TimeSpan.TicksPerSecond / Stopwatch.Frequency, Shortest.Ticks, Longest.Ticks));
        }
    }
}
