namespace Noisy.Core;

/// <summary>Moments of clip(μ + t ε, lower, upper) for normal or half-normal ε.</summary>
/// <param name="Mean">The mean.</param>
/// <param name="Variance">The variance.</param>
/// <param name="Inside">Probability that nothing is clipped; also ∂mean/∂μ.</param>
/// <param name="InsideNoise">E[ε; nothing clipped]; also ∂mean/∂t.</param>
/// <remarks>
/// <para>Formula: the two clipped parts are masses of the normal distribution, the part between them is ∫ (μ + t ε) n(ε) dε
/// over [A, B], the ε at which the bounds are met. Everything is taken relative to clip(μ), so that no digits are lost far
/// outside the bounds; where [A, B] is short the closed form would cancel and a 20-point rule, exact to rounding there,
/// replaces it.</para>
/// <para>Source: derived; equal to the formulas of the truncated normal distribution.</para>
/// </remarks>
internal readonly record struct ClippedNormal(double Mean, double Variance, double Inside, double InsideNoise)
{
    internal static ClippedNormal Create(NoiseKind noise, double mu, double t, double lower, double upper)
    {
        var centre = Math.Clamp(mu, lower, upper);
        if (t == 0 || !double.IsFinite(mu))
        {
            // NaN is inside, as everywhere, and so is an infinity on a side without a bound.
            var inside = !(double.IsFinite(lower) && mu <= lower) && !(double.IsFinite(upper) && mu >= upper);
            return new(centre, 0, inside ? 1 : 0, inside ? MeanOf(noise) : 0);
        }
        var half = noise == NoiseKind.HalfNormal;
        var weight = half ? 2 : 1;
        var (first, last) = t > 0 ? (lower, upper) : (upper, lower);
        var (a, b) = ((first - mu) / t, (last - mu) / t);
        if (half) (a, b) = (Math.Max(a, 0), Math.Max(b, 0));
        var firstMass = half ? 2 * Normal.Between(0, a) : Normal.Distribution(a);
        var lastMass = weight * Normal.Survival(b);

        var (probability, meanNoise, first1, first2) = Between(a, b, mu - centre, t);
        var mean = weight * first1 + Part(first - centre, firstMass) + Part(last - centre, lastMass);
        var square = weight * first2 + Part((first - centre) * (first - centre), firstMass)
            + Part((last - centre) * (last - centre), lastMass);
        return new(centre + mean, Math.Max(0, square - mean * mean), weight * probability, weight * meanNoise);
    }

    /// <summary>E[ε].</summary>
    internal static double MeanOf(NoiseKind noise) => noise == NoiseKind.HalfNormal ? NoisyMoments.HalfNormalMean : 0;

    /// <summary>Var[ε].</summary>
    internal static double VarianceOf(NoiseKind noise) => noise switch
    {
        NoiseKind.None => 0,
        NoiseKind.Normal => 1,
        _ => NoisyMoments.HalfNormalVariance,
    };

    /// <summary>Integrals over [a, b] of n(ε) times 1, ε, d + tε and (d + tε)².</summary>
    private static (double, double, double, double) Between(double a, double b, double d, double t)
    {
        if (b - a <= 1)
        {
            var (s0, s1, v1, v2) = (0.0, 0.0, 0.0, 0.0);
            foreach (var (node, weight) in GaussLegendre.On(a, b))
            {
                var (mass, value) = (weight * Normal.Density(node), d + t * node);
                s0 += mass;
                s1 += mass * node;
                v1 += mass * value;
                v2 += mass * value * value;
            }
            return (s0, s1, v1, v2);
        }
        var (na, nb) = (Normal.Density(a), Normal.Density(b));
        var probability = Normal.Between(a, b);
        var mean = na - nb;
        var square = probability + Part(a, na) - Part(b, nb);
        return (probability, mean, d * probability + t * mean, d * d * probability + 2 * d * t * mean + t * t * square);
    }

    /// <summary>value · mass, where an infinite value has no mass.</summary>
    private static double Part(double value, double mass) => mass == 0 ? 0 : value * mass;
}
