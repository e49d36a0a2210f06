using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>Counting the unique elements of a sequence (paper, Section 6.6, Table 5): annealed noise beside a curriculum.</summary>
/// <remarks>All rows of a preset have the same number of updates. What the paper does not tell (sizes, optimiser, budget) is
/// ours: decision 29.</remarks>
internal static class UniqueCount
{
    private static readonly Dictionary<string, PaperFigure> Table5 = new()
    {
        ["reference"] = new("Table 5", "LSTM+MLP (reference)", null, 0.3328, "error", PaperFigure.Confirmed),
        ["nan-constant"] = new("Table 5", "Noisy LSTM+MLP (NAN)", null, 0.3112, "error", PaperFigure.Recalled),
        ["curriculum"] = new("Table 5", "Curriculum LSTM+MLP", null, 0.1483, "error", PaperFigure.Confirmed),
        ["nan-annealed"] = new("Table 5", "Noisy LSTM+MLP (NAN), annealed noise", null, 0.0953, "error", PaperFigure.Confirmed),
        ["nanil-annealed"] = new("Table 5", "Noisy LSTM+MLP (NANIL), annealed noise", null, 0.2094, "error", PaperFigure.Recalled),
    };

    public static Experiment Create()
    {
        var paper = new UniqueElementsSettings { Length = 26, FirstLength = 1, Values = 11, Embedding = 32, Hidden = 128, Mlp = 128, Batch = 32 };
        var training = new TrainingSettings { Optimizer = OptimizerKind.Adam, LearningRate = 0.005, Clip = 5, EpochUpdates = 500, Epochs = 200, KeepBest = true };
        return new()
        {
            Name = "unique",
            Title = "counting the unique elements of a sequence",
            PaperSection = "6.6",
            Presets =
            [
                new("tiny", "an easier form, 12 numbers of 6 values, 1,600 updates: under 3 minutes for all rows on two cores",
                    training with { LearningRate = 0.004, EpochUpdates = 200, Epochs = 8 },
                    paper with { Length = 12, Values = 6, Embedding = 16, Hidden = 32, Mlp = 32, ValidExamples = 1_000, TestExamples = 5_000 }),
                new("small", "the paper's sequences, 26 numbers of 11 values, 20,000 updates of a network half as wide",
                    training with { Epochs = 40 }, paper with { Embedding = 16, Hidden = 64, Mlp = 64 }),
                new("paper", "the paper's sequences, 100,000 updates", training, paper),
            ],
            DefaultRows = ["reference", "nan-constant", "curriculum", "nan-annealed", "nanil-annealed", "nan-annealed-curriculum"],
            RowsOf = Rows,
            BuildTask = (config, _, device) => new UniqueElementsTask(config, device),

            // The paper tells length and values of the sequences, which all presets but tiny have, and neither sizes nor budget.
            PaperFigureOf = (config, _, row) => config.Preset != "tiny" ? Table5.GetValueOrDefault(row) : null,
            BaselineOf = task => task is UniqueElementsTask { MajorityError: var error } ? new("always the most frequent count", error) : null,
            MonitorEvery = 1000,
            SolvedLevel = 0.01, // 99 of 100 sequences are counted right
        };
    }

    private static IReadOnlyList<ExperimentRow> Rows(Preset preset)
    {
        var updates = (long)preset.Training.Epochs * preset.Training.EpochUpdates!.Value;
        var schedule = preset.Name == "tiny" ? Schedule.InverseSqrt(30).ClampMin(0.5) : Schedule.Paper; // a stair of 200 updates is too long for 1,600
        var curriculum = Curriculum.Create(CurriculumKind.Naive, over: updates / 2);
        return
        [
            new("reference", Variants.Soft, "LSTM, no curriculum"),
            ExperimentRow.Create("nan-constant", Variants.Nan, "noise of constant scale", Clipped),
            ExperimentRow.Create("curriculum", Variants.Soft, "short sequences first", t => t with { Curriculum = curriculum }),
            ExperimentRow.Create("nan-annealed", Variants.Nan, "noise at the output, annealed", t => Clipped(t) with { Schedule = schedule }),
            ExperimentRow.Create("nanil-annealed", Variants.Nanil, "noise at the input, annealed", t => t with { Schedule = schedule }),
            ExperimentRow.Create("nan-annealed-curriculum", Variants.Nan, "both; the paper gives no figure", t => Clipped(t) with { Schedule = schedule, Curriculum = curriculum }),
        ];

        static TrainingSettings Clipped(TrainingSettings t) => t with { ClipOutput = true }; // at c = 30 gates far outside [0, 1] make a network diverge
    }
}
