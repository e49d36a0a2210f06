namespace Noisy.Core;

/// <summary>The standard normal distribution in double precision: density, distribution function, tails and inverse.</summary>
/// <remarks>
/// <para>Source: complementary error function by W. J. Cody, "Rational Chebyshev approximations for the error function",
/// Math. Comp. 23 (1969), with the coefficients of his SPECFUN routine CALERF (public domain); inverse by M. J. Wichura,
/// algorithm AS 241 (PPND16), Applied Statistics 37 (1988).</para>
/// <para>Precision: a few units in the last place, relative, tails included, down to the subnormal numbers: exp(−x²/2) is
/// formed from a square that is exact.</para>
/// </remarks>
public static class Normal
{
    private const double InverseSqrt2 = 0.70710678118654752440;
    private const double InverseSqrtPi = 0.56418958354775628695;
    private const double InverseSqrt2Pi = 0.39894228040143267794;

    /// <summary>Density n(x) = exp(−x²/2) / √(2π).</summary>
    /// <param name="x">Any number; NaN gives NaN, ±∞ gives 0.</param>
    /// <returns>The density; ≥ 0.</returns>
    public static double Density(double x) => InverseSqrt2Pi * ExpMinusHalfSquare(x);

    /// <summary>Distribution function Φ(x) = P(ξ ≤ x).</summary>
    /// <param name="x">Any number; NaN gives NaN, −∞ gives 0, +∞ gives 1.</param>
    /// <returns>The probability; in [0, 1].</returns>
    public static double Distribution(double x) => Survival(-x);

    /// <summary>Upper tail P(ξ &gt; x) = 1 − Φ(x), without cancellation for large x.</summary>
    /// <param name="x">Any number; NaN gives NaN, −∞ gives 1, +∞ gives 0.</param>
    /// <returns>The probability; in [0, 1].</returns>
    public static double Survival(double x)
    {
        if (double.IsNaN(x)) return x;
        var y = Math.Abs(x) * InverseSqrt2;
        if (y <= 0.46875) return 0.5 - 0.5 * ErfNearZero(x * InverseSqrt2);
        var tail = double.IsInfinity(y) ? 0 : 0.5 * ScaledErfc(y) * ExpMinusHalfSquare(x);
        return x < 0 ? 1 - tail : tail;
    }

    /// <summary>P(a &lt; ξ &lt; b), without cancellation when both ends lie in the same tail.</summary>
    /// <param name="a">Lower end; −∞ allowed.</param>
    /// <param name="b">Upper end, ≥ <paramref name="a"/>; +∞ allowed.</param>
    /// <returns>The probability; in [0, 1].</returns>
    public static double Between(double a, double b) => a >= 0 ? Survival(a) - Survival(b) : Distribution(b) - Distribution(a);

    /// <summary>Inverse of the distribution function.</summary>
    /// <param name="probability">Probability; in [0, 1]. 0 gives −∞, 1 gives +∞, NaN gives NaN.</param>
    /// <returns>The x with Φ(x) = probability.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="probability"/> is below 0 or above 1.</exception>
    public static double Inverse(double probability)
    {
        if (probability is < 0 or > 1)
            throw new ArgumentOutOfRangeException(nameof(probability), probability, "a probability must lie in [0, 1]");
        if (double.IsNaN(probability)) return probability;
        var q = probability - 0.5;
        if (Math.Abs(q) <= 0.425)
        {
            var r = 0.180625 - q * q;
            return q * Polynomial(r, CentreTop) / Polynomial(r, CentreBottom);
        }
        var tail = Math.Sqrt(-Math.Log(q < 0 ? probability : 1 - probability));
        if (double.IsPositiveInfinity(tail)) return q < 0 ? double.NegativeInfinity : double.PositiveInfinity;
        var x = tail <= 5
            ? Polynomial(tail - 1.6, MiddleTop) / Polynomial(tail - 1.6, MiddleBottom)
            : Polynomial(tail - 5, FarTop) / Polynomial(tail - 5, FarBottom);
        return q < 0 ? -x : x;
    }

    /// <summary>exp(−x²/2): x is split into a multiple of 1/16, whose square is exact, and a rest.</summary>
    private static double ExpMinusHalfSquare(double x)
    {
        if (Math.Abs(x) > 40) return 0;
        var head = Math.Truncate(x * 16) / 16;
        return Math.Exp(-0.5 * head * head) * Math.Exp(-0.5 * (x - head) * (x + head));
    }

    /// <summary>erf(y) for |y| ≤ 0.46875.</summary>
    private static double ErfNearZero(double y) => y * Polynomial(y * y, ErfTop) / Polynomial(y * y, ErfBottom);

    /// <summary>exp(y²) erfc(y) for y &gt; 0.46875.</summary>
    private static double ScaledErfc(double y)
    {
        if (y <= 4) return Polynomial(y, NearTop) / Polynomial(y, NearBottom);
        var z = 1 / (y * y);
        return (InverseSqrtPi - z * Polynomial(z, TailTop) / Polynomial(z, TailBottom)) / y;
    }

    /// <summary>Horner's rule; coefficients from the constant term up.</summary>
    private static double Polynomial(double x, ReadOnlySpan<double> coefficients)
    {
        var sum = 0.0;
        for (var i = coefficients.Length - 1; i >= 0; i--) sum = sum * x + coefficients[i];
        return sum;
    }

    private static ReadOnlySpan<double> ErfTop =>
        [3.20937758913846947e3, 3.77485237685302021e2, 1.13864154151050156e2, 3.16112374387056560, 1.85777706184603153e-1];

    private static ReadOnlySpan<double> ErfBottom =>
        [2.84423683343917062e3, 1.28261652607737228e3, 2.44024637934444173e2, 2.36012909523441209e1, 1];

    private static ReadOnlySpan<double> NearTop =>
    [
        1.23033935479799725e3, 2.05107837782607147e3, 1.71204761263407058e3, 8.81952221241769090e2, 2.98635138197400131e2,
        6.61191906371416295e1, 8.88314979438837594, 5.64188496988670089e-1, 2.15311535474403846e-8,
    ];

    private static ReadOnlySpan<double> NearBottom =>
    [
        1.23033935480374942e3, 3.43936767414372164e3, 4.36261909014324716e3, 3.29079923573345963e3, 1.62138957456669019e3,
        5.37181101862009858e2, 1.17693950891312499e2, 1.57449261107098347e1, 1,
    ];

    private static ReadOnlySpan<double> TailTop =>
    [
        6.58749161529837803e-4, 1.60837851487422766e-2, 1.25781726111229246e-1, 3.60344899949804439e-1, 3.05326634961232344e-1,
        1.63153871373020978e-2,
    ];

    private static ReadOnlySpan<double> TailBottom =>
    [
        2.33520497626869185e-3, 6.05183413124413191e-2, 5.27905102951428412e-1, 1.87295284992346725, 2.56852019228982242, 1,
    ];

    private static ReadOnlySpan<double> CentreTop =>
    [
        3.3871328727963666080, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
        4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
    ];

    private static ReadOnlySpan<double> CentreBottom =>
    [
        1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
        2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3,
    ];

    private static ReadOnlySpan<double> MiddleTop =>
    [
        1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
        1.27045825245236838258, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4,
    ];

    private static ReadOnlySpan<double> MiddleBottom =>
    [
        1, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
        1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9,
    ];

    private static ReadOnlySpan<double> FarTop =>
    [
        6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 2.96560571828504891230e-1,
        2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
    ];

    private static ReadOnlySpan<double> FarBottom =>
    [
        1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
        7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15,
    ];
}
