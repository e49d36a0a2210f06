namespace Noisy.Experiments;

/// <summary>One thing in a picture.</summary>
/// <param name="Large">Whether it fills its cell.</param>
/// <param name="Colour">Its colour.</param>
/// <param name="Form">Its shape.</param>
/// <param name="Row">Row of its cell, 0 to 6 from the top.</param>
/// <param name="Column">Column of its cell, 0 to 6 from the left.</param>
public sealed record CaptionThing(bool Large, CaptionColour Colour, CaptionForm Form, int Row, int Column)
{
    /// <summary>What it is, such as "a large red circle".</summary>
    public string Description { get; } =
        $"a {(Large ? "large" : "small")} {Colour.ToString().ToLowerInvariant()} {Form.ToString().ToLowerInvariant()}";

    /// <summary>Where in the picture it is, such as "top left" or "centre".</summary>
    public string Place { get; } = (Third(Row), Third(Column)) switch
    {
        (1, 1) => "centre",
        (1, var column) => Columns[column],
        (var row, 1) => Rows[row],
        var (row, column) => $"{Rows[row]} {Columns[column]}",
    };

    private static string[] Rows => ["top", "", "bottom"];

    private static string[] Columns => ["left", "", "right"];

    /// <summary>Where it is, seen from another: "above", "below", "left of" or "right of", whichever difference is greater.</summary>
    /// <param name="other">The other thing.</param>
    public string Relation(CaptionThing other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Math.Abs(Row - other.Row) > Math.Abs(Column - other.Column)
            ? Row < other.Row ? "above" : "below"
            : Column < other.Column ? "left of" : "right of";
    }

    private static int Third(int cell) => cell < 2 ? 0 : cell < 5 ? 1 : 2;
}
