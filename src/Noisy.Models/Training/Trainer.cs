using System.Text.Json;
using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What changes where and how long a run goes on, but not its result.</summary>
/// <param name="Folder">The run's folder.</param>
/// <param name="Device">Where the model lives; the task is built there.</param>
/// <param name="Threads">CPU threads, ≥ 1. The fused engine gives the same bits for any number.</param>
/// <param name="MaxUpdates">Stop after this many updates; null goes to the end.</param>
public sealed record TrainOptions(string Folder, Device Device, int Threads, long? MaxUpdates = null);

/// <summary>Trains runs: one readable loop (<see cref="Sitting"/>) that can be killed at any moment and goes on exactly.</summary>
public static class Trainer
{
    /// <summary>Trains a run to its end, or from where it stopped.</summary>
    /// <param name="config">What to train; valid.</param>
    /// <param name="task">Model and data, freshly built from the config. After a sitting that was not interrupted the model
    /// has the weights that were tested.</param>
    /// <param name="options">Folder, device, threads, limit.</param>
    /// <param name="paper">The published figure to set beside it, if any.</param>
    /// <param name="floor">Best attainable test metric, if known.</param>
    /// <param name="observer">Sees the progress.</param>
    /// <param name="stop">Asks to finish the update, write a checkpoint and return.</param>
    /// <returns>The summary, and the task's model has the weights that were tested; null if interrupted.</returns>
    /// <exception cref="UsageException">The folder cannot be used, or the curriculum does not fit the task.</exception>
    /// <exception cref="DataException">The run is done, but its weights are gone, and so are its checkpoints.</exception>
    /// <exception cref="DivergedException">A loss or gradient is not finite; the last checkpoint is kept.</exception>
    public static RunSummary? Run(
        TrainConfig config, ITrainingTask task, TrainOptions options, PaperFigure? paper, double? floor, ITrainingObserver observer, CancellationToken stop)
    {
        config.Validate();
        CheckCurriculum(config, task);
        torch.set_num_threads(options.Threads);
        using var folder = RunFolder.Open(options.Folder, config, task.Data, observer.Note);
        var total = config.Epochs * task.UpdatesPerEpoch;
        var stopAt = Math.Min(total, options.MaxUpdates ?? total);
        var done = RunSummary.Read(folder.Summary) is { } read && (read.Finished || read.Updates >= stopAt) ? read : null;
        if (done is not null)
        {
            if (ExportedWeights.Load(folder.Weights, done, task.Model) is not { } fault)
            {
                observer.Note($"{options.Folder} is done ({done.Updates} updates): not repeated");
                if (RunLog.LastUpdate(folder.Log) is var last && last < done.Updates)
                    observer.Note($"{folder.Log} ends at update {last} of {done.Updates}, and so do the curves; weights and summary are whole");
                return done;
            }

            observer.Note($"{options.Folder} is done ({done.Updates} updates), but {fault}: exporting the weights again from the checkpoint");
            stopAt = done.Updates;
        }

        try
        {
            using var sitting = Start(config, task, options, folder, observer, stopAt, done);
            try
            {
                if (!sitting.Train(stop)) return null;
                sitting.TakeTestedWeights();
                var summary = done;
                if (done?.WeightsSha256 != WeightsHash.Of(task.Model))
                {
                    observer.Note("evaluating");
                    summary = sitting.Summarise(paper, floor, stop);
                }

                folder.EnsureThere();
                AtomicFile.Write(folder.Weights, s => Safetensors.Write(s, task.Model.state_dict(), sitting.Metadata()));
                if (summary != done) AtomicFile.Write(folder.Summary, JsonSerializer.Serialize(summary, ConfigJson.Indented) + "\n");
                folder.EnsureThere(); // no success without log, config and lock
                return summary;
            }
            catch (OperationCanceledException)
            {
                return null; // in the final evaluation: all is saved
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            folder.EnsureThere(); // if that is the cause, it says more
            throw RunFolder.CannotWrite(folder.Path, e);
        }
    }

    /// <summary>Begins where the run stopped. One that is done has nothing but its checkpoints to be exported from: it is not trained
    /// from the start again without being asked.</summary>
    private static Sitting Start(
        TrainConfig config, ITrainingTask task, TrainOptions options, RunFolder folder, ITrainingObserver observer, long stopAt, RunSummary? done)
    {
        DataException Gone(Exception? cause) => new(
            $"{folder.Weights} is gone or damaged, and there is no sound checkpoint to export it from; delete {folder.Path} to train the run again", cause);
        if (done is not null && !Checkpoint.Exists(folder.Checkpoints)) throw Gone(null);
        try
        {
            return new(config, task, options, folder, observer, stopAt);
        }
        catch (UsageException e) when (done is not null)
        {
            throw Gone(e);
        }
    }

    private static void CheckCurriculum(TrainConfig config, ITrainingTask task)
    {
        var plan = config.CurriculumPlan();
        if (plan.Kind == CurriculumKind.None) return;
        if (task.Stages == 1)
            throw new UsageException($"curriculum '{plan}' needs stages of difficulty, and {config.Experiment} with this config has one: leave it at 'none'");
        if (plan.GoesByResults && Accuracies.In(task.Metrics(new Score(1, 1, 1))) is null)
            throw new UsageException($"curriculum '{plan}' goes by accuracy, which {config.Experiment} does not measure: take '{plan} over N', N a number of updates");
    }
}

/// <summary>The accuracy that a map of metrics tells.</summary>
internal static class Accuracies
{
    /// <summary>The value of "accuracy", else 1 less that of "error"; null if there is neither.</summary>
    public static double? In(IReadOnlyDictionary<string, double> metrics) =>
        metrics.TryGetValue("accuracy", out var accuracy) ? accuracy : metrics.TryGetValue("error", out var error) ? 1 - error : null;
}
