namespace Noisy.Models;

/// <summary>The paper's published numbers as data; docs/paper.md says how sure each one is.</summary>
public static class PaperResults
{
    private const string Recalled = "recalled";

    /// <summary>Every row, with the name that it has in its experiment.</summary>
    public static IReadOnlyList<(string Row, PaperFigure Figure)> All { get; } =
    [
        ("soft", new("Table 2", "LSTM (reference)", 119.4, 115.6, "perplexity", Recalled)),
        ("nan", new("Table 2", "Noisy LSTM + NAN", 111.7, 108.0, "perplexity", Recalled)),
        ("nah", new("Table 2", "Noisy LSTM + NAH", 112.6, 108.7, "perplexity", Recalled)),
    ];

    /// <summary>The figure of a row of an experiment.</summary>
    /// <param name="table">Such as "Table 2".</param>
    /// <param name="row">Name of the row in the experiment, often that of a variant.</param>
    /// <returns>The figure; null if the paper has no such row.</returns>
    public static PaperFigure? Find(string table, string row) =>
        All.FirstOrDefault(r => r.Figure.Table == table && r.Row == row).Figure;
}
