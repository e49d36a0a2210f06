using System.Text.Json.Serialization;

namespace Noisy.Experiments;

/// <summary>A published figure that a run can be compared with.</summary>
/// <param name="Table">The paper's table, such as "Table 2".</param>
/// <param name="Row">Its row.</param>
/// <param name="Valid">Published validation figure; null if there is none.</param>
/// <param name="Test">Published test figure; null if there is none.</param>
/// <param name="Metric">Metric of both.</param>
/// <param name="Confidence">"confirmed" if read in a source, "recalled" if not; docs/paper.md lists the sources.</param>
public sealed record PaperFigure(string Table, string Row, double? Valid, double? Test, string Metric, string Confidence)
{
    internal const string Confirmed = "confirmed", Recalled = "recalled";
}
