namespace Noisy.Experiments;

/// <summary>A round normal component of a mixture in the plane.</summary>
/// <param name="X">First coordinate of its mean.</param>
/// <param name="Y">Second coordinate of its mean.</param>
/// <param name="Deviation">Standard deviation of each coordinate, &gt; 0.</param>
public sealed record MixtureComponent(double X, double Y, double Deviation);
