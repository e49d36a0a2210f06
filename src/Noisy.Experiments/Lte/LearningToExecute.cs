using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>Learning to Execute (paper, Section 6.2, Table 1): reads small programs, writes what they print.</summary>
/// <remarks>The preset "paper" is the reference code's setting (decisions 11 and 12). All data are generated.</remarks>
internal static class LearningToExecute
{
    private static readonly Dictionary<string, PaperFigure> Table1 = new()
    {
        ["soft"] = new("Table 1", "Reference", null, 0.4645, "accuracy", PaperFigure.Recalled),
        ["nah"] = new("Table 1", "Noisy (NAH)", null, 0.4809, "accuracy", PaperFigure.Recalled),
    };

    public static Experiment Create()
    {
        var paper = new LearningToExecuteSettings { Length = 6, Nesting = 3, Layers = 2, Hidden = 400, Bptt = 50, Batch = 100, EvaluationWindows = 10, InitRange = 0.08 };
        var training = new TrainingSettings { LearningRate = 0.5, Clip = 5, Curriculum = Curriculum.Create(CurriculumKind.Combined), Epochs = 400, EpochUpdates = 200 };
        return new()
        {
            Name = "lte",
            Title = "Learning to Execute: what does this program print?",
            PaperSection = "6.2",
            Presets =
            [
                new("tiny", "one operation on numbers of one or two digits, 1 x 96 units, 3,000 updates: about a minute a row on two cores",
                    training with { EpochUpdates = 100, Epochs = 30, Curriculum = Curriculum.Create(CurriculumKind.Combined, over: 500) },
                    paper with { Length = 2, Nesting = 1, Layers = 1, Hidden = 96, Batch = 50 }),
                new("small", "up to two operations on numbers of up to four digits, 2 x 128 units, 16,000 updates: about an hour a row on one core",
                    training with { Epochs = 80 }, paper with { Length = 4, Nesting = 2, Hidden = 128 }),
                new("paper", "up to three operations on numbers of up to six digits, 2 x 400 units: the setting of Table 1; up to 80,000 updates of 0.6 to 1 s on two cores, twice that on one: 14 to 22 or 27 to 44 hours a row",
                    training, paper),
            ],
            DefaultRows = ["soft", "nah"],
            BuildTask = (config, _, device) => new LearningToExecuteTask(config, device),
            PaperFigureOf = (config, _, row) => config.Preset == "paper" ? Table1.GetValueOrDefault(row) : null,
            BaselineOf = task => task is LearningToExecuteTask lte ? new("the most frequent character at each place of the answer", lte.AccuracyByPlace) : null,
        };
    }
}
