using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>How far a run is.</summary>
/// <param name="Update">Updates done.</param>
/// <param name="StopAt">Updates at which this session stops.</param>
/// <param name="Epoch">Epoch, from 1.</param>
/// <param name="Epochs">Epochs of the whole run.</param>
/// <param name="Sums">Sums over the batches since the last evaluation.</param>
/// <param name="LearningRate">Learning rate in force.</param>
/// <param name="ItemsPerSecond">Throughput of this session.</param>
/// <param name="TimeLeft">Estimate of the time to <paramref name="StopAt"/>, evaluations not counted.</param>
public sealed record TrainProgress(
    long Update, long StopAt, int Epoch, int Epochs, LossSums Sums, double LearningRate, double ItemsPerSecond, TimeSpan TimeLeft);

/// <summary>Sees a run's progress; never changes it. Called on the training thread.</summary>
public interface ITrainingObserver
{
    /// <summary>A run starts or goes on.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="config">Its config.</param>
    /// <param name="data">Its data.</param>
    /// <param name="update">Updates done before this session.</param>
    /// <param name="stopAt">Updates at which this session stops.</param>
    void Started(string folder, RunConfig config, DataIdentity data, long update, long stopAt);

    /// <summary>An update is done.</summary>
    void Updated(TrainProgress progress);

    /// <summary>An evaluation is done.</summary>
    void Evaluated(LogEvent evaluation);

    /// <summary>Something worth a line: a damaged checkpoint, a wait, an evaluation.</summary>
    void Note(string message);
}
