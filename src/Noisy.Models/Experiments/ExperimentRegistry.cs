namespace Noisy.Models;

/// <summary>The list of all experiments.</summary>
public static class ExperimentRegistry
{
    /// <summary>Every experiment, in the paper's order.</summary>
    public static IReadOnlyList<Experiment> All { get; } =
        [new MnistMlp(), new MixtureMlp(), new CharacterLm(), new LearningToExecute(), new PennTreebankLm(), new Translation(), new Captions(), new UniqueCount(), new NtmRecall()];

    /// <summary>Finds an experiment by its name.</summary>
    /// <param name="name">One of the names in <see cref="All"/>.</param>
    /// <exception cref="UsageException">No experiment has that name; the message lists those that exist.</exception>
    public static Experiment ByName(string name) => All.FirstOrDefault(e => e.Name == name)
        ?? throw new UsageException($"unknown experiment '{name}': known are {string.Join(", ", All.Select(e => e.Name))}");
}
