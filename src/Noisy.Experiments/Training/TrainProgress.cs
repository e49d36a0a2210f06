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
