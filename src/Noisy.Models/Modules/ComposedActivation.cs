using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>φ(x, ξ) composed from tensor operations: correct on any device, differentiable in x and p by torch's autograd.</summary>
/// <remarks>
/// Follows <see cref="NoisyFunction"/>, which defines the answer. Written with tanh instead of the logistic sigmoid,
/// σ = (c/4) tanh²(pΔ/2), which is the same function and keeps its precision for small gaps.
/// </remarks>
public static class ComposedActivation
{
    /// <summary>Applies the activation.</summary>
    /// <param name="spec">The activation; valid.</param>
    /// <param name="x">Pre-activation [.., H].</param>
    /// <param name="xi">Raw noise ξ, broadcastable to x; read in <see cref="NoiseMode.Sample"/> only.</param>
    /// <param name="p">Gap gain, broadcastable to x; read if <see cref="NoisyActivationSpec.UsesP"/>.</param>
    /// <param name="c">Noise scale, ≥ 0.</param>
    /// <param name="mode">What to do with the noise.</param>
    /// <returns>φ, of x's shape; the caller owns it.</returns>
    /// <exception cref="ArgumentNullException">ξ or p is needed and missing.</exception>
    public static Tensor Apply(NoisyActivationSpec spec, Tensor x, Tensor? xi, Tensor? p, double c, NoiseMode mode)
    {
        SaturationProbe.See(spec, x);
        if (spec.UseSoft) return spec.Unit.Soft == SoftFunction.Tanh ? x.tanh() : x.sigmoid();
        if (spec.Noise == NoiseKind.None && spec.Alpha == 1 && !spec.ClipOutput) return Hard(spec.Unit, x);
        if (mode == NoiseMode.ExactMean) return ExactMean(spec, x, p, c);

        using var scope = NewDisposeScope();
        var noise = Noise(spec, xi, mode);
        var output = spec.Placement == NoisePlacement.Output || noise is null
            ? Output(spec, x, noise, p, c)
            : Hard(spec.Unit, x.Plus(Shift(spec, x, noise, p, c)));
        if (spec.ClipOutput) output = Clip(output, spec.Unit);
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>The linearisation u.</summary>
    private static Tensor Linear(SaturatingUnit unit, Tensor x) =>
        unit.Slope == 1 && unit.Offset == 0 ? x.alias() : x.Times(unit.Slope).Plus(unit.Offset);

    private static Tensor Hard(SaturatingUnit unit, Tensor x)
    {
        if (unit.Slope == 1 && unit.Offset == 0) return Clip(x, unit);
        using var u = Linear(unit, x);
        return Clip(u, unit);
    }

    // Slope 0 exactly at the bounds (decision 24), where torch's clamp has slope 1. torch's hardtanh would do, but returns
    // its argument unchanged in TorchSharp 0.107.
    private static Tensor Clip(Tensor u, SaturatingUnit unit)
    {
        using var scope = NewDisposeScope();
        Tensor inside, clamped;
        using (no_grad())
        {
            inside = u.IsAbove(unit.Lower).logical_and_(u.IsBelow(unit.Upper));
            clamped = u.Between(unit.Lower, unit.Upper);
        }

        return where(inside, u, clamped).MoveToOuterDisposeScope();
    }

    /// <summary>ε: a tensor when sampling, a number when it is replaced by its expectation, null when there is none.</summary>
    private static EpsilonTerm? Noise(NoisyActivationSpec spec, Tensor? xi, NoiseMode mode) => (spec.Noise, mode) switch
    {
        (NoiseKind.None, _) or (_, NoiseMode.Off) or (NoiseKind.Normal, NoiseMode.Mean) => null,
        (NoiseKind.HalfNormal, NoiseMode.Mean) => new EpsilonTerm(null, NoisyMoments.HalfNormalMean),
        (NoiseKind.HalfNormal, _) => new EpsilonTerm(Needed(xi, nameof(xi)).abs(), 1),
        _ => new EpsilonTerm(Needed(xi, nameof(xi)).alias(), 1),
    };

    private static Tensor Output(NoisyActivationSpec spec, Tensor x, EpsilonTerm? noise, Tensor? p, double c)
    {
        var u = Linear(spec.Unit, x);
        var hard = Clip(u, spec.Unit);
        var gap = hard - u;

        // h − (1 − α) Δ, not u + α Δ: that one cancels for large |x|.
        var mean = spec.Alpha == 1 ? hard : hard.PlusTimes(gap, spec.Alpha - 1);
        if (noise is null || spec.LeakSign == 0 || c == 0) return mean;
        Tensor direction;
        using (no_grad()) direction = noise.Times(gap.sign().Times(spec.LeakSign));
        return mean.Plus(direction * Deviation(spec, x, gap, p, c));
    }

    private static Tensor Deviation(NoisyActivationSpec spec, Tensor x, Tensor gap, Tensor? p, double c)
    {
        if (spec.Scaling == NoiseScaling.Constant) return ones_like(x).Times(c);
        var gain = spec.Scaling == NoiseScaling.Gap
            ? gap * Needed(p, nameof(p))
            : gap.Times(1 / spec.Unit.Slope).Squared();
        return gain.Times(0.5).tanh().Squared().Times(c / 4);
    }

    private static Tensor Shift(NoisyActivationSpec spec, Tensor x, EpsilonTerm noise, Tensor? p, double c)
    {
        if (spec.Scaling == NoiseScaling.Constant && spec.Placement == NoisePlacement.Input)
            return noise.Times(ones_like(x).Times(c));
        var u = Linear(spec.Unit, x);
        if (spec.Placement == NoisePlacement.InputWhenSaturated)
        {
            using var _ = no_grad();
            var saturated = u.IsAbove(spec.Unit.Lower).logical_and_(u.IsBelow(spec.Unit.Upper)).logical_not();
            return noise.Times(saturated.to_type(x.dtype).Times(c));
        }

        if (spec.Scaling == NoiseScaling.Gap) return noise.Times(Deviation(spec, x, Clip(u, spec.Unit) - u, p, c));
        var magnitude = noise.Times(ones_like(x)).abs();

        // |Δ| by its two sides, since abs would have slope 0 at a threshold, which belongs to the saturated zone.
        var distance = u.Plus(-spec.Unit.Upper).AtLeastZero().Plus((-u).Plus(spec.Unit.Lower).AtLeastZero());
        var ratio = Needed(p, nameof(p)) * distance / magnitude.Plus(1e-10);
        return noise.Times(ratio.Softplus().Times(c));
    }

    /// <summary>Element by element through Core's closed forms: exact, without gradient, meant for evaluation.</summary>
    private static Tensor ExactMean(NoisyActivationSpec spec, Tensor x, Tensor? p, double c)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var xs = x.detach().cpu().to_type(ScalarType.Float64).contiguous().data<double>().ToArray();
        var ps = spec.UsesP
            ? Needed(p, nameof(p)).detach().cpu().to_type(ScalarType.Float64).expand(x.shape).contiguous().data<double>().ToArray()
            : null;
        var means = new double[xs.Length];
        for (var i = 0; i < xs.Length; i++) means[i] = NoisyMoments.Mean(spec, xs[i], ps?[i] ?? 1, c);
        return tensor(means, x.shape).to(x.device).to_type(x.dtype).MoveToOuterDisposeScope();
    }

    private static Tensor Needed(Tensor? value, string name) =>
        value is not null ? value : throw new ArgumentNullException(name, $"this activation needs {name}");

    private sealed record EpsilonTerm(Tensor? Draw, double Expectation)
    {
        public Tensor Times(Tensor other) => Draw is null ? other.Times(Expectation) : other * Draw;
    }
}
