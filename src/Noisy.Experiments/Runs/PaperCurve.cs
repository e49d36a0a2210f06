namespace Noisy.Experiments;

/// <summary>A learning curve that the paper shows as a picture.</summary>
/// <param name="Figure">Its figure, such as "Figure 9".</param>
/// <param name="Row">Name that the curve has in its experiment.</param>
/// <param name="Metric">What is drawn.</param>
/// <param name="Points">Updates and values as read from the picture, in order.</param>
public sealed record PaperCurve(string Figure, string Row, string Metric, IReadOnlyList<(long Update, double Value)> Points);
