using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>An activation at test time as ONNX nodes: φ with the noise at its expectation, switched off, or E[φ].</summary>
/// <remarks>Follows <see cref="NoisyFunction"/> and <see cref="NoisyMoments"/>, as <see cref="ComposedActivation"/> does. NaN in gives NaN out as
/// far as the operators of the runtime keep it.</remarks>
internal sealed class OnnxActivation
{
    private readonly OnnxGraph graph;
    private readonly NoisyActivationSpec spec;
    private readonly SaturatingUnit unit;
    private readonly OnnxValue x;
    private readonly Tensor? gains;
    private readonly string gainsName;
    private readonly double c;
    private readonly Lazy<OnnxValue> linear, gap;

    private OnnxActivation(OnnxGraph graph, NoisyActivationSpec spec, OnnxValue x, Tensor? gains, string gainsName, double c)
    {
        (this.graph, this.spec, unit, this.x, this.gains, this.gainsName, this.c) = (graph, spec, spec.Unit, x, gains, gainsName, c);
        linear = new(() => Linear(x));
        gap = new(Gap);
    }

    /// <summary>Adds an activation.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="spec">The activation; valid.</param>
    /// <param name="x">Pre-activation [.., H].</param>
    /// <param name="gains">Gap gains [H] or [1]; null if the activation has none.</param>
    /// <param name="gainsName">What to call them.</param>
    /// <param name="context">Mode, not sampling, and scale.</param>
    /// <returns>φ, with the axes of x.</returns>
    /// <exception cref="UsageException">It has no exact form: the exact mean of noise scaled by ratio is a quadrature.</exception>
    internal static OnnxValue Add(OnnxGraph graph, NoisyActivationSpec spec, OnnxValue x, Tensor? gains, string gainsName, NoiseContext context)
    {
        if (spec.UseSoft) return graph.Node(spec.Unit.Soft == SoftFunction.Tanh ? "Tanh" : "Sigmoid", [x]);
        var c = context.Scale ?? spec.C;
        var made = new OnnxActivation(graph, spec, x, gains, gainsName, c);
        var noisy = spec.Noise != NoiseKind.None && c != 0;
        if (noisy && context.Mode == NoiseMode.ExactMean && (spec.Placement != NoisePlacement.Output || spec.ClipOutput)) return made.ExactMean();

        // The output is affine in ε, so that there the exact mean is the value at the mean.
        var mode = context.Mode == NoiseMode.ExactMean ? NoiseMode.Mean : context.Mode;
        var epsilon = noisy ? NoiseModes.Constant(spec, mode) : 0.0;
        var output = spec.Placement == NoisePlacement.Output || epsilon == 0
            ? made.Output(epsilon)
            : made.Hard(graph.Node("Add", [x, made.Times(made.InputDeviation(), epsilon)]));
        return spec.ClipOutput ? made.Clip(output) : output;
    }

    /// <summary>u of a pre-activation.</summary>
    private OnnxValue Linear(OnnxValue at) => Plus(Times(at, unit.Slope), unit.Offset);

    /// <summary>h of a pre-activation.</summary>
    private OnnxValue Hard(OnnxValue at) => (unit.Lower, unit.Upper) is (0, 1)
        ? graph.Node("HardSigmoid", [at], ("alpha", unit.Slope), ("beta", unit.Offset))
        : Clip(ReferenceEquals(at, x) ? linear.Value : Linear(at));

    private OnnxValue Clip(OnnxValue y) => graph.Node("Clip", [y, Bound(unit.Lower), Bound(unit.Upper)]);

    /// <summary>A bound as an optional input.</summary>
    private OnnxValue? Bound(double bound) => double.IsFinite(bound) ? graph.Number(bound) : null;

    /// <summary>Δ: by each finite bound apart, so that it is exactly 0 in the linear zone and no two infinities meet.</summary>
    private OnnxValue Gap()
    {
        var left = double.IsFinite(unit.Lower) ? graph.Node("Relu", [Less(graph.Number(unit.Lower), linear.Value)]) : null;
        var right = double.IsFinite(unit.Upper) ? graph.Node("Relu", [Less(linear.Value, graph.Number(unit.Upper))]) : null;
        return left is null ? graph.Node("Neg", [right]) : right is null ? left : Less(left, right);
    }

    /// <summary>α h + (1 − α) u + d σ ε.</summary>
    private OnnxValue Output(double epsilon)
    {
        var hard = Hard(x);
        var mean = spec.Alpha == 1 ? hard : Plus(hard, Times(gap.Value, spec.Alpha - 1));
        return epsilon == 0 || spec.LeakSign == 0 ? mean : Plus(mean, Times(OutputDeviation(), epsilon));
    }

    /// <summary>d σ of noise at the output.</summary>
    private OnnxValue OutputDeviation() =>
        Times(graph.Node("Mul", [SquaredTanh(), graph.Node("Sign", [gap.Value])]), spec.LeakSign * c / 4);

    /// <summary>σ of noise at the input, where ε is a constant.</summary>
    private OnnxValue InputDeviation() => (spec.Placement, spec.Scaling) switch
    {
        (NoisePlacement.InputWhenSaturated, _) => Saturated(),
        (_, NoiseScaling.Constant) => graph.Number(c),
        (_, NoiseScaling.Gap) => Times(SquaredTanh(), c / 4),
        _ => Ratio(),
    };

    /// <summary>4 σ / c = tanh²(pΔ/2).</summary>
    private OnnxValue SquaredTanh()
    {
        var half = spec.Scaling == NoiseScaling.Gap
            ? graph.Node("Mul", [Bounded(gap.Value), Times(graph.Weight(gainsName, gains!), 0.5)])
            : Times(Squared(Times(gap.Value, 1 / unit.Slope)), 0.5);
        return Squared(graph.Node("Tanh", [half]));
    }

    /// <summary>A gap with the largest number in the place of an infinity, where a gain of 0 would make it NaN.</summary>
    private OnnxValue Bounded(OnnxValue value)
    {
        using var others = gains!.count_nonzero();
        return others.item<long>() < gains!.numel() ? graph.Node("Clip", [value, graph.Number(float.MinValue), graph.Number(float.MaxValue)]) : value;
    }

    /// <summary>c where x saturates, thresholds included, else 0. Thresholds are single precision's, rounded outward.</summary>
    private OnnxValue Saturated()
    {
        var thresholds = new UnitLanes(unit);
        OnnxValue? left = null, right = null;
        if (float.IsFinite(thresholds.LowerThreshold)) left = graph.Node("LessOrEqual", [x, graph.Number(thresholds.LowerThreshold)]);
        if (float.IsFinite(thresholds.UpperThreshold)) right = graph.Node("GreaterOrEqual", [x, graph.Number(thresholds.UpperThreshold)]);
        var mask = left is null ? right : right is null ? left : graph.Node("Or", [left, right]);
        return graph.Node("Where", [mask, graph.Number(c), graph.Number(0)]);
    }

    /// <summary>c softplus(p |Δ| / |ξ|) at the constant that stands for ξ, as c (max(p, 0) |Δ| / |ξ| + softplus(−|p Δ| / |ξ|)), which no large Δ
    /// makes infinite; 0 at an infinity, which it does not move.</summary>
    private OnnxValue Ratio()
    {
        var size = NoisyMoments.HalfNormalMean + NoiseDeviation.RatioGuard;
        var p = graph.Weight(gainsName, gains!);
        var distance = graph.Node("Abs", [Bounded(gap.Value)]);
        var near = graph.Node("Softplus", [graph.Node("Neg", [Times(graph.Node("Abs", [graph.Node("Mul", [distance, p])]), 1 / size)])]);
        var far = Times(graph.Node("Mul", [distance, graph.Node("Relu", [p])]), 1 / size);
        return graph.Node("Where", [graph.Node("IsInf", [x]), graph.Number(0), Times(Plus(near, far), c)]);
    }

    /// <summary>E[clip(μ + t ε)] = clip(μ) + |t| (f((μ − lower) / t) − f((μ − upper) / t)), where μ + t ε is what is clipped.</summary>
    /// <remarks>For normal ε f(z) = n(z) − |z| N(−|z|), with n the normal density and N its distribution; for half-normal ε twice that of
    /// min(z, 0). f is below 1e-20 from 10 on, so that clipping z there changes nothing and keeps infinities out.</remarks>
    private OnnxValue ExactMean()
    {
        if (spec.Scaling == NoiseScaling.Ratio)
        {
            throw new UsageException(
                $"the exact mean of '{spec}' is an integral without a closed form, which ONNX cannot hold: "
                + "export with another mode, such as the paper's, new NoiseContext(NoiseMode.Mean)");
        }

        var (mean, deviation) = spec.Placement == NoisePlacement.Output
            ? (Output(0), spec.LeakSign == 0 ? graph.Number(0) : OutputDeviation())
            : (linear.Value, Times(InputDeviation(), unit.Slope));
        var divisor = graph.Node("Where", [graph.Node("Equal", [deviation, graph.Number(0)]), graph.Number(1), deviation]);
        var corrections = Less(Correction(unit.Lower), Correction(unit.Upper));
        return Plus(Clip(mean), graph.Node("Mul", [corrections, graph.Node("Abs", [deviation])]));

        OnnxValue Correction(double bound)
        {
            var z = graph.Node("Div", [Less(mean, graph.Number(bound)), divisor]);
            z = graph.Node("Clip", [z, graph.Number(-10), graph.Number(spec.Noise == NoiseKind.HalfNormal ? 0 : 10)]);
            var distance = graph.Node("Abs", [z]);
            var density = Times(graph.Node("Exp", [Times(Squared(z), -0.5)]), 1 / Math.Sqrt(2 * Math.PI));
            var tail = Plus(Times(graph.Node("Erf", [Times(distance, Math.Sqrt(0.5))]), -0.5), 0.5);
            var value = Less(density, graph.Node("Mul", [distance, tail]));
            return spec.Noise == NoiseKind.HalfNormal ? Times(value, 2) : value;
        }
    }

    private OnnxValue Less(OnnxValue value, OnnxValue other) => graph.Node("Sub", [value, other]);

    private OnnxValue Plus(OnnxValue value, OnnxValue other) => graph.Node("Add", [value, other]);

    private OnnxValue Plus(OnnxValue value, double number) => number == 0 ? value : graph.Node("Add", [value, graph.Number(number)]);

    private OnnxValue Times(OnnxValue value, double factor) => factor == 1 ? value : graph.Node("Mul", [value, graph.Number(factor)]);

    private OnnxValue Squared(OnnxValue value) => graph.Node("Mul", [value, value]);
}
