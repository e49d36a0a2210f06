namespace Noisy.Core;

/// <summary>What saturation and noise did at one nonlinearity of a model in one pass.</summary>
/// <remarks>A unit is saturated where its pre-activation is at a threshold of the hard function or beyond it, of tanh and sigmoid too. Shares
/// are in [0, 1]. What has no value in a pass is null: the noise of a function without any, shares of no units, a quantity that is not a
/// finite number.</remarks>
public sealed record SiteStatistics
{
    /// <summary>Moments are computed of at most so many of the pre-activations, evenly spaced: some of them take a quadrature.</summary>
    private const int MostMoments = 4096;

    /// <summary>Pre-activations of the pass: units by examples by time steps.</summary>
    public required long Count { get; init; }

    /// <summary>Share of saturated pre-activations.</summary>
    public required double Saturated { get; init; }

    /// <summary>Mean factor σ of the noise term over all pre-activations, in units of where the noise enters; null without noise.</summary>
    public double? Sigma { get; init; }

    /// <summary>The paper's signal-to-noise ratio, σ_signal / σ_noise (Section 2): the standard deviation over the pass of E[φ | x], over the
    /// root of the mean of Var[φ | x], both exact and over at most 4,096 pre-activations. Null if no noise reaches the output.</summary>
    public double? SignalToNoise { get; init; }

    /// <summary>Share of the saturated units that leak and draw carry back: φ(x, ξ) lies strictly between the unit's bounds, which noise at the
    /// input reaches by moving x over the threshold. Null without noise or saturated units.</summary>
    public double? Returned { get; init; }

    /// <summary>Mean |p| of the site's gap gains; null if it has none.</summary>
    public double? Gain { get; init; }

    /// <summary>Norm of the loss's gradient in all pre-activations; null if none was made.</summary>
    public double? Gradient { get; init; }

    /// <summary>Norm of the part of it that passes through saturated units; null if no gradient was made.</summary>
    public double? SaturatedGradient { get; init; }

    /// <summary>Share of outputs exactly at a bound at test time, where a gate is exactly 0 or 1; null without a pass at test time.</summary>
    public double? AtBound { get; init; }

    /// <summary>Computes all but <see cref="AtBound"/> by the reference functions.</summary>
    /// <param name="spec">The activation; valid.</param>
    /// <param name="c">Noise scale of the pass, ≥ 0.</param>
    /// <param name="p">Gap gains, one a unit or one for all; empty if there are none.</param>
    /// <param name="x">Pre-activations; element i belongs to unit i modulo the number of gains.</param>
    /// <param name="xi">Raw draws ξ of the pass, as many; empty if none were drawn.</param>
    /// <param name="gradient">Gradient of the loss in each pre-activation; empty if none was made.</param>
    /// <exception cref="ArgumentException">Lengths do not fit.</exception>
    public static SiteStatistics Measure(
        NoisyActivationSpec spec, double c, ReadOnlySpan<double> p, ReadOnlySpan<double> x, ReadOnlySpan<double> xi, ReadOnlySpan<double> gradient)
    {
        if (!xi.IsEmpty && xi.Length != x.Length) throw new ArgumentException($"{xi.Length} draws for {x.Length} pre-activations", nameof(xi));
        if (!gradient.IsEmpty && gradient.Length != x.Length) throw new ArgumentException($"{gradient.Length} slopes for {x.Length} pre-activations", nameof(gradient));
        if (spec.UsesP && p.IsEmpty) throw new ArgumentException("this activation needs p", nameof(p));
        var drawn = spec.Noise != NoiseKind.None && !xi.IsEmpty;
        long saturated = 0, returned = 0;
        double sigma = 0, through = 0, all = 0, gain = 0;
        for (var i = 0; i < x.Length; i++)
        {
            var isSaturated = HardFunctions.IsSaturated(spec.Unit, x[i]);
            if (isSaturated) saturated++;
            if (!gradient.IsEmpty)
            {
                all += gradient[i] * gradient[i];
                if (isSaturated) through += gradient[i] * gradient[i];
            }

            if (!drawn) continue;
            var gainOf = p.IsEmpty ? 1 : p[i % p.Length];
            var point = NoisyFunction.Evaluate(spec, x[i], xi[i], gainOf, c);
            sigma += point.Sigma;
            if (isSaturated && point.Value > spec.Unit.Lower && point.Value < spec.Unit.Upper) returned++;
        }

        foreach (var value in p) gain += Math.Abs(value);
        return new()
        {
            Count = x.Length,
            Saturated = Share(saturated, x.Length) ?? 0,
            Sigma = drawn ? Number(sigma / x.Length) : null,
            SignalToNoise = drawn ? Ratio(spec, c, p, x) : null,
            Returned = drawn ? Share(returned, saturated) : null,
            Gain = p.IsEmpty ? null : Number(gain / p.Length),
            Gradient = gradient.IsEmpty ? null : Number(Math.Sqrt(all)),
            SaturatedGradient = gradient.IsEmpty ? null : Number(Math.Sqrt(through)),
        };
    }

    /// <summary>Share of values exactly at a bound of a unit; null if there are no values.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="values">Outputs.</param>
    public static double? ShareAtBounds(SaturatingUnit unit, ReadOnlySpan<double> values)
    {
        long count = 0;
        foreach (var value in values)
        {
            if (value == unit.Lower || value == unit.Upper) count++;
        }

        return Share(count, values.Length);
    }

    private static double? Ratio(NoisyActivationSpec spec, double c, ReadOnlySpan<double> p, ReadOnlySpan<double> x)
    {
        var stride = (x.Length + MostMoments - 1) / MostMoments;
        var means = new double[(x.Length + stride - 1) / stride];
        var noise = 0.0;

        // The first element of each stretch moves on by one, so that it is not always the same unit.
        for (var n = 0; n < means.Length; n++)
        {
            var start = n * stride;
            var i = start + (n % Math.Min(stride, x.Length - start));
            var moments = NoisyMoments.Evaluate(spec, x[i], p.IsEmpty ? 1 : p[i % p.Length], c);
            means[n] = moments.Mean;
            noise += moments.Variance;
        }

        if (noise <= 0) return null;

        // As differences to one of them: units that are all at a bound have means that are alike to the last digits, beside noise that is smaller still.
        var (from, shift, spread) = (means[0], 0.0, 0.0);
        foreach (var mean in means) shift += (mean - from) / means.Length;
        foreach (var mean in means) spread += (mean - from - shift) * (mean - from - shift);
        return Number(Math.Sqrt(spread / noise));
    }

    private static double? Share(long part, long whole) => whole == 0 ? null : (double)part / whole;

    private static double? Number(double value) => double.IsFinite(value) ? value : null;
}
