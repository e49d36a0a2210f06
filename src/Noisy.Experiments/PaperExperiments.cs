using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The experiments of the paper.</summary>
public static class PaperExperiments
{
    /// <summary>Every experiment, in the paper's order.</summary>
    public static IReadOnlyList<Experiment> All { get; } =
    [
        MnistMlp.Create(), MixtureMlp.Create(), CharacterLm.Create(), LearningToExecute.Create(), PennTreebankLm.Create(), Translation.Create(),
        Captions.Create(), UniqueCount.Create(), NtmRecall.Create(),
    ];

    /// <summary>Finds an experiment by its name.</summary>
    /// <param name="name">One of the names in <see cref="All"/>.</param>
    /// <exception cref="UsageException">No experiment has that name; the message lists those that exist.</exception>
    public static Experiment ByName(string name) => All.FirstOrDefault(e => e.Name == name)
        ?? throw new UsageException($"unknown experiment '{name}': known are {string.Join(", ", All.Select(e => e.Name))}");
}
