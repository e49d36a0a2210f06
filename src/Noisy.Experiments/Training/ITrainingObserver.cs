namespace Noisy.Experiments;

/// <summary>Sees a run's progress; never changes it. Called on the training thread.</summary>
public interface ITrainingObserver
{
    /// <summary>A run starts or resumes.</summary>
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
