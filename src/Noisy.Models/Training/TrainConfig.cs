using Noisy.Core;

namespace Noisy.Models;

/// <summary>
/// Everything that changes the result of a run; immutable. Each experiment adds its own fields. The JSON names, in camel
/// case, are what <c>--set name=value</c> takes.
/// </summary>
public abstract record TrainConfig
{
    /// <summary>Name of the experiment, such as "ptb".</summary>
    public required string Experiment { get; init; }

    /// <summary>Name of the preset that the config started from.</summary>
    public required string Preset { get; init; }

    /// <summary>Name of the activation variant, one of <see cref="Variants.All"/>.</summary>
    public string Activation { get; init; } = "soft";

    /// <summary>Root of all random numbers of the run.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>Passes over the training data, ≥ 1.</summary>
    public int Epochs { get; init; } = 1;

    /// <summary>Learning rate of the first epoch, &gt; 0.</summary>
    public double LearningRate { get; init; } = 1;

    /// <summary>Divisor of the learning rate after each epoch past <see cref="DecayAfter"/>, ≥ 1.</summary>
    public double Decay { get; init; } = 1;

    /// <summary>Last epoch, counted from 1, with the first learning rate; ≥ 0.</summary>
    public int DecayAfter { get; init; }

    /// <summary>How a gradient becomes a step.</summary>
    public OptimizerKind Optimizer { get; init; }

    /// <summary>Momentum of the optimiser, in [0, 1); null keeps the method's own.</summary>
    public double? Momentum { get; init; }

    /// <summary>Threshold of the gradient's global norm, &gt; 0.</summary>
    public double Clip { get; init; } = 5;

    /// <summary>Leak α of both activations; null keeps the variant's own.</summary>
    public double? Alpha { get; init; }

    /// <summary>Noise scale c of both activations; null keeps the variant's own.</summary>
    public double? C { get; init; }

    /// <summary>Schedule of the noise scale, shared by all sites (decision 21), in the text form of
    /// <see cref="Core.Schedule"/>; null keeps the scale constant.</summary>
    public string? Schedule { get; init; }

    /// <summary>Initial gap gain of every unit; null draws each from U(−1, 1).</summary>
    public double? P { get; init; }

    /// <summary>Whether the gap gains are trained.</summary>
    public bool LearnP { get; init; } = true;

    /// <summary>Whether activations are finally clipped to the range of the hard function.</summary>
    public bool ClipOutput { get; init; }

    /// <summary>Direction of output noise at α = 1 (decision 1).</summary>
    public AlphaOneRule AlphaOne { get; init; } = AlphaOneRule.Inward;

    /// <summary>What replaces the noise in evaluation; <see cref="NoiseMode.Mean"/> as in the paper.</summary>
    public NoiseMode TestNoise { get; init; } = NoiseMode.Mean;

    /// <summary>Order of difficulty of the training examples, in the text form of <see cref="Models.Curriculum"/>.</summary>
    public string Curriculum { get; init; } = "none";

    /// <summary>The run is finished once validation at the last stage is at or beyond this value of the task's metric; null
    /// never.</summary>
    public double? StopAt { get; init; }

    /// <summary>The run is finished after this many evaluations at the last stage without improvement; 0 never.</summary>
    public int Patience { get; init; }

    /// <summary>Whether the weights of the best validation at the last stage are tested and exported, and not the final
    /// ones.</summary>
    public bool KeepBest { get; init; }

    /// <summary>The activations with the config's overrides applied.</summary>
    /// <exception cref="InvalidSpecException">The variant is unknown, or an override is impossible for it.</exception>
    public ActivationPair Activations() => Variants.ByName(Activation).Map(Override);

    /// <summary>Learning rate of an epoch.</summary>
    /// <param name="epoch">Epoch, from 1.</param>
    public double LearningRateAt(int epoch) => LearningRate / Math.Pow(Decay, Math.Max(0, epoch - DecayAfter));

    /// <summary>The optimiser with the config's overrides applied.</summary>
    public OptimizerSpec OptimizerSpec() => Core.OptimizerSpec.Of(Optimizer) is var own && Momentum is { } m ? own with { Momentum = m } : own;

    /// <summary>The noise schedule; null if the scale is each spec's own.</summary>
    /// <exception cref="InvalidSpecException">The text is not a schedule.</exception>
    public Schedule? NoiseSchedule() => Schedule is null ? null : Core.Schedule.Parse(Schedule);

    /// <summary>The curriculum.</summary>
    /// <exception cref="InvalidSpecException">The text is not a curriculum.</exception>
    public Curriculum CurriculumPlan() => Models.Curriculum.Parse(Curriculum);

    /// <summary>Checks every rule.</summary>
    /// <exception cref="InvalidSpecException">A rule is broken; the message names each.</exception>
    public void Validate()
    {
        var broken = BrokenRules().ToList();
        if (broken.Count > 0) throw new InvalidSpecException(broken);
    }

    /// <summary>One sentence for each broken rule.</summary>
    protected virtual IEnumerable<string> BrokenRules()
    {
        if (Epochs < 1) yield return $"epochs is {Epochs}: must be >= 1";
        if (!(double.IsFinite(LearningRate) && LearningRate > 0)) yield return $"learningRate is {LearningRate}: must be finite and > 0";
        if (!(double.IsFinite(Decay) && Decay >= 1)) yield return $"decay is {Decay}: must be finite and >= 1";
        if (DecayAfter < 0) yield return $"decayAfter is {DecayAfter}: must be >= 0";
        if (!(Momentum is null or (>= 0 and < 1))) yield return $"momentum is {Momentum}: must be in [0, 1)";
        if (Momentum > 0 && Optimizer is not (OptimizerKind.Sgd or OptimizerKind.GravesRmsProp)) yield return $"momentum does not apply to {Optimizer}";
        if (!(Clip > 0)) yield return $"clip is {Clip}: must be > 0";
        if (TestNoise == NoiseMode.Sample) yield return "testNoise is sample: must be mean, exactMean or off, so that an evaluation can be repeated";
        if (StopAt is { } at && !double.IsFinite(at)) yield return $"stopAt is {at}: must be finite";
        if (Patience < 0) yield return $"patience is {Patience}: must be >= 0 (0 waits for ever)";
        foreach (var rule in BrokenBy(() => CurriculumPlan())) yield return rule;
        foreach (var rule in ActivationRules()) yield return rule;
    }

    private static IReadOnlyList<string> BrokenBy(Action action)
    {
        try
        {
            action();
            return [];
        }
        catch (InvalidSpecException e)
        {
            return e.Broken;
        }
    }

    private IEnumerable<string> ActivationRules()
    {
        var variant = Variants.All.FirstOrDefault(v => v.Name.Equals(Activation, StringComparison.OrdinalIgnoreCase));
        if (variant is null)
        {
            yield return $"unknown activation '{Activation}': known are {string.Join(", ", Variants.All.Select(v => v.Name))}";
            yield break;
        }

        var tanh = variant.Tanh;
        if (!variant.IsNoisy && (Alpha ?? C ?? P) is not null) yield return $"alpha, c and p do not apply to '{variant.Name}', which has no noise";
        if (!variant.IsNoisy && Schedule is not null) yield return $"schedule does not apply to '{variant.Name}', which has no noise";
        if (tanh.Placement != NoisePlacement.Output && Alpha is not null) yield return $"alpha does not apply to '{variant.Name}', whose noise enters at the input";
        if (variant.IsNoisy && !tanh.UsesP && (P is not null || !LearnP)) yield return $"p and learnP do not apply to '{variant.Name}', which has no gap gain";
        var broken = BrokenBy(() => variant.Map(Override).Map(s => s.Validate())).Concat(BrokenBy(() => NoiseSchedule()));
        foreach (var rule in broken.Distinct()) yield return rule;
    }

    private NoisyActivationSpec Override(NoisyActivationSpec spec)
    {
        if (spec.Noise == NoiseKind.None) return spec with { ClipOutput = ClipOutput };
        return spec with
        {
            Alpha = Alpha ?? spec.Alpha,
            C = C ?? spec.C,
            P = P,
            LearnP = LearnP,
            ClipOutput = ClipOutput,
            AlphaOne = AlphaOne,
        };
    }
}
