using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>Associative recall with a Neural Turing Machine (paper, Section 6.6, Figure 9): annealed noise in the controller
/// beside none.</summary>
/// <remarks>Sizes, budget and optimiser that the paper does not tell are decision 22's. All data are generated.</remarks>
internal static class NtmRecall
{
    private static readonly Dictionary<string, PaperFigure> Figure9 = new()
    {
        ["regular"] = new("Figure 9", "NTM (regular)", 1.56, null, "nll", PaperFigure.Confirmed),
        ["noisy"] = new("Figure 9", "NTM (noisy controller)", 0, null, "nll", PaperFigure.Confirmed),
    };

    private static readonly PaperCurve[] Curves =
    [
        new("Figure 9", "regular", "nll", Thousands(
            (0, 2.08), (10, 2.06), (20, 2.00), (30, 1.98), (40, 1.96), (50, 1.99), (60, 1.97), (70, 1.75), (80, 1.73), (90, 1.65), (100, 1.56))),
        new("Figure 9", "noisy", "nll", Thousands((0, 2.08), (7, 2.06), (8, 0.33), (9, 0), (18, 0), (19, 1.84), (20, 0), (100, 0))),
    ];

    public static Experiment Create()
    {
        var paper = new NtmRecallSettings();
        var training = new TrainingSettings { Optimizer = OptimizerKind.GravesRmsProp, LearningRate = 1e-4, Clip = 10, StopAt = 0.05, Epochs = 100, EpochUpdates = 1000 };
        return new()
        {
            Name = "ntm",
            Title = "associative recall with a Neural Turing Machine",
            PaperSection = "6.6",
            Presets =
            [
                new("tiny", "2 to 6 items, at most 10,000 updates: under a minute a row on two cores", training with { EpochUpdates = 500, Epochs = 20 }, paper with { MaxItems = 6 }),
                new("small", "2 to 10 items, at most 40,000 updates: a few minutes a row", training with { Epochs = 40 }, paper with { MaxItems = 10 }),
                new("paper", "2 to 16 items, at most 100,000 updates: the setting of Figure 9, minutes a row", training, paper),
            ],
            DefaultRows = ["regular", "noisy"],
            RowsOf = _ =>
            [
                new("regular", Variants.Soft, "tanh, no noise"),
                ExperimentRow.Create("noisy", Variants.Nan, "noise at the output, annealed", t => t with { Schedule = Schedule.Paper }),
            ],
            BuildTask = (config, _, device) => new NtmRecallTask(config, device),
            MonitorEvery = 6000,
            PaperFigureOf = (config, _, row) => config.Preset == "paper" ? Figure9.GetValueOrDefault(row) : null,
            PaperCurvesOf = preset => preset == "paper" ? Curves : [],
            BaselineOf = _ => new("chance", AssociativeRecall.Chance),
        };
    }

    private static (long Update, double Value)[] Thousands(params (long Update, double Value)[] points) =>
        [.. points.Select(p => (1000 * p.Update, p.Value))];
}
