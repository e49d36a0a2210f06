namespace Noisy.Experiments;

/// <summary>Pictures or pages that an experiment draws of a run that is done, besides the curves that all have.</summary>
/// <param name="Files">Names of the files that it writes into the run's folder.</param>
/// <param name="Draw">Writes them: the run's folder, the task, whose model has the weights that were tested, and the config.</param>
public sealed record RunPictures(IReadOnlyList<string> Files, Action<string, ITrainingTask, RunConfig> Draw);
