using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>A mixture of three normal distributions in the plane with equal weights; a point's class is its component.</summary>
/// <remarks>Source: paper, Section 6.1, which tells neither dimension nor parameters: decision 18. A point is a function of (key,
/// index).</remarks>
public static class GaussianMixture
{
    // Beyond ten deviations of every component there is nothing to integrate.
    private const double Edge = 12, Cell = 0.5;

    private static readonly Lazy<BayesLimit> Integrated = new(Integrate);

    /// <summary>The components; different means and different deviations.</summary>
    public static IReadOnlyList<MixtureComponent> Components { get; } = [new(0, 0, 0.4), new(2, 1, 0.6), new(-1.5, 2.5, 1)];

    // log(w / (2π σ²)) of each component.
    private static readonly double[] LogHeights = [.. Components.Select(c => -Math.Log(Components.Count * 2 * Math.PI * c.Deviation * c.Deviation))];

    /// <summary>The exact limit of the mixture, by quadrature: nll to 1e-8, error to 1e-5.</summary>
    public static BayesLimit Limit => Integrated.Value;

    /// <summary>Writes points.</summary>
    /// <param name="key">Key of the set; sets with different keys are independent.</param>
    /// <param name="indices">Which points B, each ≥ 0.</param>
    /// <param name="points">Receives [B, 2].</param>
    /// <param name="classes">Receives [B], numbers of components.</param>
    public static void Fill(NoiseKey key, ReadOnlySpan<long> indices, Span<float> points, Span<long> classes)
    {
        var (choices, draws) = (key.Child("class").At(0, 0), key.Child("point").At(0, 0));
        for (var b = 0; b < indices.Length; b++)
        {
            var chosen = choices.Below(Components.Count, indices[b]);
            var component = Components[chosen];
            var point = points.Slice(2 * b, 2);
            NoiseSampler.Normal(draws, 2 * indices[b], point);
            point[0] = (float)(component.X + (component.Deviation * point[0]));
            point[1] = (float)(component.Y + (component.Deviation * point[1]));
            classes[b] = chosen;
        }
    }

    /// <summary>Log-densities of the components at a point, each with its weight.</summary>
    /// <param name="x">First coordinate.</param>
    /// <param name="y">Second coordinate.</param>
    /// <param name="logs">Receives log(w_k n_k(x, y)) for each component k.</param>
    /// <returns>The logarithm of the mixture's density, log Σ exp(logs).</returns>
    public static double LogDensities(double x, double y, Span<double> logs)
    {
        var largest = double.NegativeInfinity;
        for (var k = 0; k < Components.Count; k++)
        {
            var (mx, my, deviation) = Components[k];
            var square = ((x - mx) * (x - mx)) + ((y - my) * (y - my));
            logs[k] = LogHeights[k] - (square / (2 * deviation * deviation));
            largest = Math.Max(largest, logs[k]);
        }

        double sum = 0;
        for (var k = 0; k < Components.Count; k++) sum += Math.Exp(logs[k] - largest);
        return largest + Math.Log(sum);
    }

    /// <summary>What the classifier that knows the mixture attains on given points.</summary>
    /// <param name="points">[B, 2].</param>
    /// <param name="classes">[B].</param>
    public static BayesLimit LimitOn(ReadOnlySpan<float> points, ReadOnlySpan<long> classes)
    {
        Span<double> logs = stackalloc double[Components.Count];
        var (nll, wrong) = (0.0, 0);
        for (var b = 0; b < classes.Length; b++)
        {
            var whole = LogDensities(points[2 * b], points[(2 * b) + 1], logs);
            var own = logs[(int)classes[b]];
            nll += whole - own;
            foreach (var other in logs)
            {
                if (other <= own) continue;
                wrong++;
                break;
            }
        }

        return new(nll / classes.Length, (double)wrong / classes.Length);
    }

    /// <summary>E[−log P(class | point)] and E[1 − max P], by Gauss–Legendre quadrature in square cells. The first integrand is
    /// smooth; the second has kinks, which limit its precision.</summary>
    private static BayesLimit Integrate()
    {
        var nodes = Enumerable.Range(0, (int)(2 * Edge / Cell)).SelectMany(i => GaussLegendre.On(-Edge + (i * Cell), -Edge + ((i + 1) * Cell))).ToArray();
        Span<double> logs = stackalloc double[Components.Count];
        var (nll, error) = (0.0, 0.0);
        foreach (var (x, weightX) in nodes)
        {
            foreach (var (y, weightY) in nodes)
            {
                var whole = LogDensities(x, y, logs);
                if (whole < -60) continue;
                var (entropy, most) = (0.0, 0.0);
                foreach (var log in logs)
                {
                    var density = Math.Exp(log);
                    entropy += density * (whole - log);
                    most = Math.Max(most, density);
                }

                nll += weightX * weightY * entropy;
                error += weightX * weightY * (Math.Exp(whole) - most);
            }
        }

        return new(nll, error);
    }
}
