namespace Noisy.Core;

/// <summary>
/// One activation of the paper as an immutable value: the unit, the noise and where it enters. The mathematics reads the
/// spec; there is no class a variant.
/// </summary>
/// <param name="Unit">The saturating function h and its linearisation u.</param>
/// <param name="Noise">Distribution of ε; default none, which gives the plain hard function (or the leaky one if α ≠ 1).</param>
/// <param name="Placement">Where the noise enters; read only if there is noise.</param>
/// <param name="Scaling">How σ follows from x; read only if there is noise.</param>
/// <param name="Alpha">Leak α, the weight of h against u at the output; dimensionless; finite. 1 means no leak.</param>
/// <param name="C">Noise scale c; dimensionless; finite and ≥ 0. A schedule may replace it at run time.</param>
/// <param name="P">Initial value of every unit's gap gain p; null (default) draws each from U(−1, 1), as the paper does.</param>
/// <param name="LearnP">Whether p is trained with the other parameters; default true, as in the paper.</param>
/// <param name="AlphaOne">Direction of the output noise at α = 1; default inward.</param>
/// <param name="ClipOutput">Whether the output is finally clipped to [lower, upper]; default false (decision 5).</param>
/// <param name="UseSoft">Whether the smooth original replaces h: the noise-free reference (tanh or sigmoid).</param>
/// <remarks>
/// Formula, output placement: φ(x, ξ) = α h(x) + (1 − α) u(x) + d(x) σ(x) ε, d(x) = sgn(Δ) sgn(1 − α), Δ = h − u.
/// Input placement: φ(x, ξ) = h(x + σ ε). Source: paper, Algorithm 1 and Section 5.
/// </remarks>
/// <example>NAH hard-tanh with another noise scale:
/// <code>var spec = Variants.Nah.Tanh.WithC(0.25);</code></example>
public sealed record NoisyActivationSpec(
    SaturatingUnit Unit,
    NoiseKind Noise = NoiseKind.None,
    NoisePlacement Placement = NoisePlacement.Output,
    NoiseScaling Scaling = NoiseScaling.Gap,
    double Alpha = 1,
    double C = 0,
    double? P = null,
    bool LearnP = true,
    AlphaOneRule AlphaOne = AlphaOneRule.Inward,
    bool ClipOutput = false,
    bool UseSoft = false)
{
    /// <summary>Whether the activation has a gap gain p, that is, whether its noise scale depends on one.</summary>
    public bool UsesP => Noise != NoiseKind.None && Scaling is (NoiseScaling.Gap or NoiseScaling.Ratio);

    /// <summary>sgn(1 − α) with the rule for α = 1 applied; −1, 0 or 1.</summary>
    public double LeakSign => Alpha == 1 ? (AlphaOne == AlphaOneRule.Inward ? 1 : 0) : Math.Sign(1 - Alpha);

    /// <summary>This spec with another unit.</summary>
    public NoisyActivationSpec WithUnit(SaturatingUnit unit) => this with { Unit = unit };

    /// <summary>This spec with another noise distribution.</summary>
    public NoisyActivationSpec WithNoise(NoiseKind noise) => this with { Noise = noise };

    /// <summary>This spec with another placement of the noise.</summary>
    public NoisyActivationSpec WithPlacement(NoisePlacement placement) => this with { Placement = placement };

    /// <summary>This spec with another law of the noise deviation.</summary>
    public NoisyActivationSpec WithScaling(NoiseScaling scaling) => this with { Scaling = scaling };

    /// <summary>This spec with another leak α.</summary>
    public NoisyActivationSpec WithAlpha(double alpha) => this with { Alpha = alpha };

    /// <summary>This spec with another noise scale c.</summary>
    public NoisyActivationSpec WithC(double c) => this with { C = c };

    /// <summary>This spec with another initial gap gain; null draws it from U(−1, 1) for each unit.</summary>
    public NoisyActivationSpec WithP(double? p) => this with { P = p };

    /// <summary>This spec with p trained (true) or frozen at its initial value (false).</summary>
    public NoisyActivationSpec WithLearnP(bool learnP) => this with { LearnP = learnP };

    /// <summary>This spec with another rule for the direction at α = 1.</summary>
    public NoisyActivationSpec WithAlphaOne(AlphaOneRule rule) => this with { AlphaOne = rule };

    /// <summary>This spec with or without the final clip of the output.</summary>
    public NoisyActivationSpec WithClipOutput(bool clip) => this with { ClipOutput = clip };

    /// <summary>Checks every rule.</summary>
    /// <returns>This spec, so that the call can be chained.</returns>
    /// <exception cref="InvalidSpecException">At least one rule is broken; the message names each with its value.</exception>
    public NoisyActivationSpec Validate()
    {
        var broken = BrokenRules().ToList();
        return broken.Count == 0 ? this : throw new InvalidSpecException(broken);
    }

    /// <summary>The activation in one line, such as "hard-tanh, half-normal noise at the output, alpha 1.15, c 0.5, p learned".</summary>
    public override string ToString()
    {
        var parts = new List<string> { UseSoft ? Unit.Soft.ToString().ToLowerInvariant() : Unit.ToString() };
        if (Noise != NoiseKind.None)
        {
            var place = Placement switch { NoisePlacement.Output => "the output", NoisePlacement.Input => "the input", _ => "the input when saturated" };
            parts.Add($"{(Noise == NoiseKind.HalfNormal ? "half-normal" : "normal")} noise at {place}");
            if (Scaling is NoiseScaling.Excess or NoiseScaling.Ratio) parts.Add($"scaled by {Scaling.ToString().ToLowerInvariant()}");
        }

        if (Alpha != 1 || (Noise != NoiseKind.None && Placement == NoisePlacement.Output)) parts.Add($"alpha {Number(Alpha)}");
        if (Noise != NoiseKind.None) parts.Add($"c {Number(C)}");
        if (UsesP) parts.Add($"p {(P is { } p ? "from " + Number(p) : "drawn")}, {(LearnP ? "learned" : "frozen")}");
        if (Alpha == 1 && AlphaOne == AlphaOneRule.Silent && Noise != NoiseKind.None) parts.Add("silent at alpha 1");
        if (ClipOutput) parts.Add("clipped");
        return string.Join(", ", parts);
    }

    private static string Number(double value) => value.ToString("R", System.Globalization.CultureInfo.InvariantCulture);

    private IEnumerable<string> BrokenRules()
    {
        if (!double.IsFinite(Unit.Slope) || Unit.Slope <= 0) yield return $"unit slope is {Unit.Slope}: must be finite and > 0";
        if (!double.IsFinite(Unit.Offset)) yield return $"unit offset is {Unit.Offset}: must be finite";
        if (!(Unit.Lower < Unit.Upper)) yield return $"unit bounds are [{Unit.Lower}, {Unit.Upper}]: lower must be below upper";
        if (double.IsPositiveInfinity(Unit.Lower) || double.IsNegativeInfinity(Unit.Upper)
            || (double.IsInfinity(Unit.Lower) && double.IsInfinity(Unit.Upper)))
            yield return $"unit bounds are [{Unit.Lower}, {Unit.Upper}]: at least one must be finite";
        if (!double.IsFinite(Alpha)) yield return $"alpha is {Alpha}: must be finite";
        if (!double.IsFinite(C) || C < 0) yield return $"c is {C}: must be finite and >= 0";
        if (P is { } p && !double.IsFinite(p)) yield return $"p is {p}: must be finite";
        if (P == 0 && UsesP && LearnP) yield return "p is 0: a stationary point that learning never leaves; give another start or freeze it";
        if (UseSoft && Unit.Soft == SoftFunction.None) yield return "soft is set, but the unit has no smooth original";
        if (UseSoft && (Noise != NoiseKind.None || Alpha != 1))
            yield return $"soft is set with noise {Noise} and alpha {Alpha}: the smooth reference has neither noise nor leak";
        if (!Enum.IsDefined(Noise) || !Enum.IsDefined(Placement) || !Enum.IsDefined(Scaling) || !Enum.IsDefined(AlphaOne))
            yield return $"an enumeration value is unknown: {Noise}, {Placement}, {Scaling}, {AlphaOne}";
        if (Noise == NoiseKind.None) yield break;
        if (Placement == NoisePlacement.Output && Scaling is not (NoiseScaling.Gap or NoiseScaling.Excess))
            yield return $"output noise with scaling {Scaling}: must be Gap or Excess, which vanish in the linear zone";
        if (Placement == NoisePlacement.Input && Scaling == NoiseScaling.Excess)
            yield return "input noise with scaling Excess: must be Constant, Gap or Ratio";
        if (Placement == NoisePlacement.InputWhenSaturated && Scaling != NoiseScaling.Constant)
            yield return $"noise at the input when saturated with scaling {Scaling}: must be Constant";
        if (Placement != NoisePlacement.Output && Alpha != 1)
            yield return $"alpha is {Alpha} with noise at the input: the leak belongs to output noise, must be 1";
    }
}
