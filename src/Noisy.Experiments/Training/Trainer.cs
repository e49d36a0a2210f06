using System.Text.Json;
using Noisy.Core;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>Trains runs: one readable loop (<see cref="TrainingSession"/>) that can be killed at any moment and resumes exactly.</summary>
public static class Trainer
{
    // Batches in which a model is monitored that was trained without.
    private const int TrainedBatches = 10;

    /// <summary>Trains a run to its end, or from where it stopped.</summary>
    /// <param name="run">The run; its config is valid. After a session that was not interrupted its task's model has the weights that
    /// were tested.</param>
    /// <param name="stop">Asks to finish the update, write a checkpoint and return.</param>
    /// <returns>The summary; null if interrupted.</returns>
    /// <exception cref="UsageException">The folder cannot be used, or the curriculum does not fit the task.</exception>
    /// <exception cref="DataException">The run is done, but its weights are gone, and so are its checkpoints.</exception>
    /// <exception cref="DivergedException">A loss or gradient is not finite; the last checkpoint is kept.</exception>
    /// <exception cref="ArgumentOutOfRangeException">Threads, or updates between monitors, are fewer than 1, or updates to train fewer than 0.</exception>
    public static RunSummary? Run(TrainingRun run, CancellationToken stop = default)
    {
        ArgumentNullException.ThrowIfNull(run);
        var (config, task, observer) = (run.Config, run.Task, run.Observer ?? Silent.Observer);
        config.Validate();
        CheckCurriculum(config, task);
        ArgumentOutOfRangeException.ThrowIfLessThan(run.Threads, 1);
        if (run.MaxUpdates is { } most) ArgumentOutOfRangeException.ThrowIfNegative(most, nameof(run.MaxUpdates));
        if (run.MonitorEvery is { } every) ArgumentOutOfRangeException.ThrowIfLessThan(every, 1, nameof(run.MonitorEvery));
        torch.set_num_threads(run.Threads);
        using var folder = RunFolder.Open(run.Folder, config, task.Data, observer.Note);
        var total = config.Training.Epochs * task.UpdatesPerEpoch;
        var stopAt = Math.Min(total, run.MaxUpdates ?? total);
        var done = RunSummary.Read(folder.Summary) is { } read && (read.Finished || read.Updates >= stopAt) ? read : null;
        if (done is not null)
        {
            if (done.Metric is { } judge && judge != task.Metric) // summaries of older versions do not tell
                throw new UsageException($"{run.Folder} is done and was judged by '{judge}', where this experiment is judged by '{task.Metric}': name another folder with --out, or delete this one");
            if (ExportedWeights.Load(folder.Weights, done, task.Model) is not { } fault)
            {
                observer.Note($"{run.Folder} is done ({done.Updates} updates): not repeated");
                if (RunLog.LastUpdate(folder.Log) is var last && last < done.Updates)
                    observer.Note($"{folder.Log} ends at update {last} of {done.Updates}, and so do the curves; weights and summary are whole");
                return Monitored(done, run, folder, observer);
            }

            observer.Note($"{run.Folder} is done ({done.Updates} updates), but {fault}: exporting the weights again from the checkpoint");
            stopAt = done.Updates;
        }

        try
        {
            using var session = Start(run, folder, observer, stopAt, done);
            try
            {
                if (!session.Train(stop)) return null;
                session.TakeTestedWeights();
                var summary = done;
                if (done?.WeightsSha256 != WeightsHash.Compute(task.Model))
                {
                    observer.Note("evaluating");
                    summary = session.Summarise(stop);
                }

                folder.EnsureThere();
                var file = AtomicFile.WriteHashed(folder.Weights, s => Safetensors.Write(s, task.Model.state_dict(), session.Metadata()));
                summary = summary! with { WeightsFileSha256 = file };
                if (summary != done) AtomicFile.Write(folder.Summary, summary.ToText());
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

    /// <summary>The summary of a run that is done, whose weights the model has: with what its nonlinearities do if that is asked for and is not
    /// there.</summary>
    private static RunSummary Monitored(RunSummary done, TrainingRun run, RunFolder folder, ITrainingObserver observer)
    {
        if (run.MonitorEvery is null || done.Sites is not null) return done;
        var tested = done.TestedUpdate(run.Config.Training.KeepBest);
        var monitored = done with { Sites = BatchMonitor.ObserveTrained(run.Task, run.Config, tested, TrainedBatches) };
        if (monitored.Sites is null) return done;
        observer.Note("it was trained without monitors: measured now, with its final weights");
        try
        {
            AtomicFile.Write(folder.Summary, monitored.ToText());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunFolder.CannotWrite(folder.Path, e);
        }

        return monitored;
    }

    /// <summary>Begins where the run stopped. One that is done has nothing but its checkpoints to be exported from: it is not trained
    /// from the start again without being asked.</summary>
    private static TrainingSession Start(
        TrainingRun run, RunFolder folder, ITrainingObserver observer, long stopAt, RunSummary? done)
    {
        if (done is null || Checkpoint.HasSound(folder.Checkpoints)) return new(run, folder, observer, stopAt);
        throw new DataException($"{folder.Weights} is gone or damaged, and there is no sound checkpoint to export it from; delete {folder.Path} to train the run again");
    }

    private static void CheckCurriculum(RunConfig config, ITrainingTask task)
    {
        var plan = config.Training.Curriculum;
        if (plan.Kind == CurriculumKind.None) return;
        if (task.Stages == 1)
            throw new UsageException($"curriculum '{plan}' needs stages of difficulty, and {config.Experiment} with this config has one: leave it at 'none'");
        if (plan.GoesByResults && Accuracies.In(task.Metrics(new LossSums(1, 1, 1))) is null)
            throw new UsageException($"curriculum '{plan}' goes by accuracy, which {config.Experiment} does not measure: take '{plan} over N', N a number of updates");
    }

    private sealed class Silent : ITrainingObserver
    {
        public static readonly Silent Observer = new();

        public void Started(string folder, RunConfig config, DataIdentity data, long update, long stopAt)
        {
        }

        public void Updated(TrainProgress progress)
        {
        }

        public void Evaluated(LogEvent evaluation)
        {
        }

        public void Note(string message)
        {
        }
    }
}
