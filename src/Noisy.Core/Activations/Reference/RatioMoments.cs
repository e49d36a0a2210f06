namespace Noisy.Core;

/// <summary>Moments of the released NANIL, h(x + c softplus(p|Δ|/|ξ|) ε), by quadrature over s = |ξ|.</summary>
/// <remarks>
/// The shift grows with s, so each bound of h is met at one s at most, found by bisection. Beyond it the value is constant
/// and its mass is a normal tail; between, the integrand is smooth and panels that halve towards s = 0 resolve it, whatever
/// p. The guard 1e-10 of the formula matters only below s of that order, a mass under 1e-10. Precision: 1e-9 of the
/// unit's range (checked against midpoint sums).
/// </remarks>
internal static class RatioMoments
{
    /// <summary>Draws beyond this |ξ| have a mass below 1e-32.</summary>
    private const double Farthest = 12;

    private const double Nearest = 1.0 / (1L << 32);

    internal static NoisyExpectation Evaluate(NoisyActivationSpec spec, double x, double p, double c)
    {
        var unit = spec.Unit;
        var centre = HardFunctions.Hard(unit, x);
        if (c == 0 || !double.IsFinite(x)) return Still(spec, x, p, c);
        var sum = new Sums();
        ReadOnlySpan<int> signs = spec.Noise == NoiseKind.HalfNormal ? [1] : [1, -1];
        foreach (var sign in signs)
        {
            var weight = 2.0 / signs.Length;
            double Shifted(double s) => x + sign * NoiseDeviation.Create(spec, x, s, p, c).Value * s;
            var (toFirst, toLast) = sign > 0 ? (unit.LowerThreshold, unit.UpperThreshold) : (unit.UpperThreshold, unit.LowerThreshold);
            var start = FirstWhere(s => sign * (Shifted(s) - toFirst) > 0);
            var end = FirstWhere(s => sign * (Shifted(s) - toLast) >= 0);
            var (first, last) = sign > 0 ? (unit.Lower, unit.Upper) : (unit.Upper, unit.Lower);
            sum.Add(weight * Normal.Between(0, start), first - centre);
            sum.Add(weight * (Normal.Survival(end) - Normal.Survival(Farthest)), last - centre);
            foreach (var (a, b) in Panels(start, end))
                foreach (var (s, step) in GaussLegendre.On(a, b))
                {
                    var mass = weight * step * Normal.Density(s);
                    var sigma = NoiseDeviation.Create(spec, x, s, p, c);
                    var epsilon = sign * s;
                    // Rounding, or the guard at the smallest s, may leave a node beyond a bound: h and its slope, not u and k.
                    var shifted = x + sigma.Value * epsilon;
                    var slope = mass * HardFunctions.HardSlope(unit, shifted);
                    sum.Add(mass, HardFunctions.Hard(unit, shifted) - centre);
                    sum.Dx += slope * (1 + sigma.Dx * epsilon);
                    sum.Dp += slope * sigma.Dp * epsilon;
                    sum.Dc += slope * sigma.Dc * epsilon;
                }
        }
        return new(centre + sum.First, Math.Max(0, sum.Second - sum.First * sum.First), sum.Dx, sum.Dp, sum.Dc);
    }

    /// <summary>No shift: the noise scale is 0, or x is not finite.</summary>
    private static NoisyExpectation Still(NoisyActivationSpec spec, double x, double p, double c)
    {
        var slope = HardFunctions.HardSlope(spec.Unit, x);
        var meanDc = slope == 0 ? 0 : slope * Math.Log(2) * ClippedNormal.MeanOf(spec.Noise);
        return new(HardFunctions.Hard(spec.Unit, x), 0, slope, 0, double.IsNaN(x) ? x : meanDc);
    }

    /// <summary>Where a condition that stays true once it is true becomes true, in [0, <see cref="Farthest"/>].</summary>
    private static double FirstWhere(Func<double, bool> condition)
    {
        if (condition(Nearest)) return 0;
        if (!condition(Farthest)) return Farthest;
        var (low, high) = (Nearest, Farthest);
        while (true)
        {
            var middle = low + (high - low) / 2;
            if (middle <= low || middle >= high) return high;
            if (condition(middle)) high = middle;
            else low = middle;
        }
    }

    /// <summary>Cuts [start, end] at the powers of two below 1 and at the halves above.</summary>
    private static IEnumerable<(double A, double B)> Panels(double start, double end)
    {
        for (var a = start; a < end;)
        {
            var next = a < Nearest ? Nearest : a < 1 ? Math.Pow(2, Math.Floor(Math.Log2(a)) + 1) : Math.Floor(2 * a + 1) / 2;
            var b = Math.Min(next, end);
            yield return (a, b);
            a = b;
        }
    }

    private sealed class Sums
    {
        internal double First, Second, Dx, Dp, Dc;

        internal void Add(double mass, double value)
        {
            if (mass == 0) return;
            First += mass * value;
            Second += mass * value * value;
        }
    }
}
