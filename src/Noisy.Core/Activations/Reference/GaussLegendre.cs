namespace Noisy.Core;

/// <summary>Gauss–Legendre quadrature with 20 nodes, exact for polynomials up to degree 39.</summary>
internal static class GaussLegendre
{
    private const int Count = 20;
    private static readonly (double Node, double Weight)[] Rule = Build();

    /// <summary>Nodes and weights for the interval [a, b].</summary>
    internal static IEnumerable<(double Node, double Weight)> On(double a, double b)
    {
        var (centre, radius) = ((a + b) / 2, (b - a) / 2);
        foreach (var (node, weight) in Rule) yield return (centre + radius * node, radius * weight);
    }

    /// <summary>Newton's method on the Legendre polynomial, from the asymptotic place of each root.</summary>
    private static (double Node, double Weight)[] Build()
    {
        var rule = new (double, double)[Count];
        for (var i = 0; i < Count; i++)
        {
            var x = -Math.Cos(Math.PI * (i + 0.75) / (Count + 0.5));
            var slope = 0.0;
            for (var round = 0; round < 8; round++)
            {
                var (previous, value) = (1.0, x);
                for (var n = 2; n <= Count; n++) (previous, value) = (value, ((2 * n - 1) * x * value - (n - 1) * previous) / n);
                slope = Count * (x * value - previous) / (x * x - 1);
                x -= value / slope;
            }
            rule[i] = (x, 2 / ((1 - x * x) * slope * slope));
        }
        return rule;
    }
}
