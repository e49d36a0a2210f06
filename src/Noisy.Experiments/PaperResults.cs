namespace Noisy.Experiments;

/// <summary>The paper's published numbers as data; docs/paper.md says how sure each one is.</summary>
public static class PaperResults
{
    private const string Confirmed = "confirmed", Recalled = "recalled";

    /// <summary>Every row that an experiment here repeats in the paper's setting, with the name that it has there.</summary>
    public static IReadOnlyList<(string Row, PaperFigure Figure)> All { get; } =
    [
        ("soft", new("Table 1", "Reference", null, 0.4645, "accuracy", Recalled)),
        ("nah", new("Table 1", "Noisy (NAH)", null, 0.4809, "accuracy", Recalled)),
        ("soft", new("Table 2", "LSTM (reference)", 119.4, 115.6, "perplexity", Recalled)),
        ("nan", new("Table 2", "Noisy LSTM + NAN", 111.7, 108.0, "perplexity", Recalled)),
        ("nah", new("Table 2", "Noisy LSTM + NAH", 112.6, 108.7, "perplexity", Recalled)),
        ("reference", new("Table 5", "LSTM+MLP (reference)", null, 0.3328, "error", Confirmed)),
        ("nan-constant", new("Table 5", "Noisy LSTM+MLP (NAN)", null, 0.3112, "error", Recalled)),
        ("curriculum", new("Table 5", "Curriculum LSTM+MLP", null, 0.1483, "error", Confirmed)),
        ("nan-annealed", new("Table 5", "Noisy LSTM+MLP (NAN), annealed noise", null, 0.0953, "error", Confirmed)),
        ("nanil-annealed", new("Table 5", "Noisy LSTM+MLP (NANIL), annealed noise", null, 0.2094, "error", Recalled)),
        ("regular", new("Figure 9", "NTM (regular)", 1.56, null, "nll", Confirmed)),
        ("noisy", new("Figure 9", "NTM (noisy controller)", 0, null, "nll", Confirmed)),
    ];

    /// <summary>Every published curve.</summary>
    public static IReadOnlyList<PaperCurve> Curves { get; } =
    [
        new("Figure 9", "regular", "nll", Thousands(
            (0, 2.08), (10, 2.06), (20, 2.00), (30, 1.98), (40, 1.96), (50, 1.99), (60, 1.97), (70, 1.75), (80, 1.73), (90, 1.65), (100, 1.56))),
        new("Figure 9", "noisy", "nll", Thousands((0, 2.08), (7, 2.06), (8, 0.33), (9, 0), (18, 0), (19, 1.84), (20, 0), (100, 0))),
    ];

    /// <summary>The figure of a row of an experiment.</summary>
    /// <param name="table">Such as "Table 2".</param>
    /// <param name="row">Name of the row in the experiment, often that of a variant.</param>
    /// <returns>The figure; null if the paper has no such row.</returns>
    public static PaperFigure? Find(string table, string row) =>
        All.FirstOrDefault(r => r.Figure.Table == table && r.Row == row).Figure;

    private static (long Update, double Value)[] Thousands(params (long Update, double Value)[] points) =>
        [.. points.Select(p => (1000 * p.Update, p.Value))];
}
