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
    /// <param name="x">Pre-activation [.., H], of a floating-point type; half and bfloat16 are computed in single precision.</param>
    /// <param name="xi">Raw noise ξ, broadcastable to x; read in <see cref="NoiseMode.Sample"/> only.</param>
    /// <param name="p">Gap gain, broadcastable to x and of its type; read if <see cref="NoisyActivationSpec.UsesP"/>.</param>
    /// <param name="c">Noise scale, ≥ 0.</param>
    /// <param name="mode">What to do with the noise.</param>
    /// <returns>φ, of x's shape and type; the caller owns it.</returns>
    /// <exception cref="ArgumentNullException">ξ or p is needed and missing.</exception>
    /// <exception cref="ArgumentException">x is not of a floating-point type, or p of another one.</exception>
    public static Tensor Apply(NoisyActivationSpec spec, Tensor x, Tensor? xi, Tensor? p, double c, NoiseMode mode)
    {
        Operand.Floating(x, nameof(x));
        if (p is not null && p.dtype != x.dtype)
            throw new ArgumentException($"p is {p.dtype}, x is {x.dtype}: convert x with to_type, or the module with to", nameof(p));
        if (spec.UseSoft) return spec.Unit.Soft == SoftFunction.Tanh ? x.tanh() : x.sigmoid();
        using var scope = NewDisposeScope();
        if (x.dtype is ScalarType.Float16 or ScalarType.BFloat16)
        {
            var wide = Apply(spec, x.to_type(ScalarType.Float32), xi, p?.to_type(ScalarType.Float32), c, mode);
            return wide.to_type(x.dtype).MoveToOuterDisposeScope();
        }

        if (mode == NoiseMode.ExactMean && spec.Noise != NoiseKind.None) return ExactMean(spec, x, p, c).MoveToOuterDisposeScope();
        var zones = new Zones(spec.Unit, x);
        var noise = Noise(spec, xi, c, mode);
        var output = spec.Placement == NoisePlacement.Output || noise is null
            ? Output(spec, zones, noise, p, c)
            : new Zones(spec.Unit, x.Plus(Shift(spec, x, zones, noise, p, c))).Hard();
        if (spec.ClipOutput) output = Clip(output, spec.Unit);
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>The linearisation u, and where it is beyond the bounds.</summary>
    private sealed class Zones
    {
        private readonly SaturatingUnit unit;
        private readonly Tensor outside, clamped;

        internal Zones(SaturatingUnit unit, Tensor x)
        {
            this.unit = unit;
            U = unit.Slope == 1 && unit.Offset == 0 ? x.alias() : x.Times(unit.Slope).Plus(unit.Offset);
            (outside, clamped) = Beyond(U, unit);
        }

        internal Tensor U { get; }

        /// <summary>Mask of the saturated elements.</summary>
        internal Tensor Saturated => outside;

        internal Tensor Hard() => where(outside, clamped, U);

        /// <summary>Δ; exactly 0, without a gradient, where the unit does not saturate.</summary>
        internal Tensor Gap() => where(outside, clamped - U, zeros(Array.Empty<long>(), U.dtype, U.device));

        /// <summary>The gap's sign where there is one.</summary>
        internal Tensor Side()
        {
            using var _ = no_grad();
            var ones = ones_like(U);
            return where(U.IsAtMost(unit.Lower), ones, ones.Times(-1));
        }
    }

    /// <summary>A gap with the largest number in the place of an infinity, whose product with 0 would be NaN.</summary>
    /// <remarks>The sum says cheaply whether there is one, but not on a device that would have to be waited for. A sum that overflows
    /// says yes, which is only slower.</remarks>
    private static Tensor Bounded(Tensor gap) => gap.device_type == DeviceType.CPU && SumsToNumber(gap) ? gap : gap.Bounded();

    private static bool SumsToNumber(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return double.IsFinite(tensor.sum().to_type(ScalarType.Float64).item<double>());
    }

    // Slope 0 exactly at the bounds (decision 24), where torch's clamp has slope 1. torch's hardtanh would do, but returns
    // its argument unchanged in TorchSharp 0.107.
    private static Tensor Clip(Tensor y, SaturatingUnit unit)
    {
        var (outside, clamped) = Beyond(y, unit);
        return where(outside, clamped, y);
    }

    /// <summary>Mask of what is on a bound or beyond it, and everything clamped to the bounds. NaN is not beyond, nor is an infinity on
    /// a side without a bound.</summary>
    private static (Tensor Outside, Tensor Clamped) Beyond(Tensor y, SaturatingUnit unit)
    {
        using var _ = no_grad();
        var below = double.IsFinite(unit.Lower) ? y.IsAtMost(unit.Lower) : null;
        var above = double.IsFinite(unit.Upper) ? y.IsAtLeast(unit.Upper) : null;
        return (below is null ? above! : above is null ? below : below.logical_or_(above), y.Between(unit.Lower, unit.Upper));
    }

    /// <summary>ε: a tensor when sampling, a number when it is replaced by its expectation, null when there is none.</summary>
    private static EpsilonTerm? Noise(NoisyActivationSpec spec, Tensor? xi, double c, NoiseMode mode) => (spec.Noise, mode) switch
    {
        _ when c == 0 => null,
        (NoiseKind.None, _) or (_, NoiseMode.Off) or (NoiseKind.Normal, NoiseMode.Mean) => null,
        (NoiseKind.HalfNormal, NoiseMode.Mean) => new EpsilonTerm(null, NoisyMoments.HalfNormalMean),
        (NoiseKind.HalfNormal, _) => new EpsilonTerm(Needed(xi, nameof(xi)).abs(), 1),
        _ => new EpsilonTerm(Needed(xi, nameof(xi)).alias(), 1),
    };

    private static Tensor Output(NoisyActivationSpec spec, Zones zones, EpsilonTerm? noise, Tensor? p, double c)
    {
        var hard = zones.Hard();
        if (spec.Alpha == 1 && noise is null) return hard;
        var gap = zones.Gap();

        // h − (1 − α) Δ, not u + α Δ: that one cancels for large |x|.
        var mean = spec.Alpha == 1 ? hard : hard.PlusTimes(gap, spec.Alpha - 1);
        if (noise is null || spec.LeakSign == 0) return mean;
        Tensor push;
        using (no_grad()) push = noise.Times(gap.sign().Times(spec.LeakSign * c / 4));
        return mean.Plus(push * SquaredTanh(spec, gap, p));
    }

    /// <summary>4 σ / c = tanh²(pΔ/2).</summary>
    private static Tensor SquaredTanh(NoisyActivationSpec spec, Tensor gap, Tensor? p)
    {
        // p is halved, exactly, where the product would be: it is the smaller tensor.
        var half = spec.Scaling == NoiseScaling.Gap
            ? Bounded(gap) * Needed(p, nameof(p)).Times(0.5)
            : gap.Times(1 / spec.Unit.Slope).Bounded().Squared().Times(0.5);
        return half.tanh().Squared();
    }

    private static Tensor Shift(NoisyActivationSpec spec, Tensor x, Zones zones, EpsilonTerm noise, Tensor? p, double c)
    {
        if (spec.Placement == NoisePlacement.InputWhenSaturated)
        {
            using var _ = no_grad();
            return noise.Times(zones.Saturated.to_type(x.dtype).Times(c));
        }

        return spec.Scaling switch
        {
            NoiseScaling.Constant => noise.Times(ones_like(x).Times(c)),
            NoiseScaling.Gap => noise.Times(SquaredTanh(spec, zones.Gap(), p).Times(c / 4)),
            _ => Ratio(x, zones, noise, Needed(p, nameof(p)), c),
        };
    }

    /// <summary>c softplus(p |Δ| / |ε|) ε, which moves no infinity.</summary>
    private static Tensor Ratio(Tensor x, Zones zones, EpsilonTerm noise, Tensor p, double c)
    {
        // Above this the softplus is its argument, to the last bit of double precision.
        const double linear = 50;

        // |Δ| by its side, since abs would have slope 0 at a threshold, which belongs to the saturated zone.
        var distance = (zones.Gap() * zones.Side()).Bounded();
        var draw = noise.Times(ones_like(x));
        var size = draw.abs().Plus(1e-10);
        var ratio = p * distance / size;
        Tensor far, infinite;
        using (no_grad()) (far, infinite) = (ratio.IsAbove(linear), x.isinf());
        var shift = where(far, draw / size * distance * p, draw * ratio.Between(float.MinValue, linear).Softplus()).Times(c);
        return where(infinite, zeros_like(shift), shift);
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
