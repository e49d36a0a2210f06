using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>How a run is trained, whatever the experiment; immutable. The JSON names of the fields, in camel case, are what
/// <c>--set name=value</c> takes.</summary>
public sealed record TrainingSettings
{
    /// <summary>Passes over the training data, or periods of <see cref="EpochUpdates"/>; ≥ 1.</summary>
    public int Epochs { get; init; } = 1;

    /// <summary>Updates that count as an epoch, ≥ 1, where the data have no end of their own; null where an epoch is a pass over them.</summary>
    public int? EpochUpdates { get; init; }

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

    /// <summary>Weight decay λ, ≥ 0: λ w is added to the gradient of every parameter, gap gains included, after the clip.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Threshold of the gradient's global norm, &gt; 0.</summary>
    public double Clip { get; init; } = 5;

    /// <summary>Leak α of both activations; null keeps the variant's own.</summary>
    public double? Alpha { get; init; }

    /// <summary>Noise scale c of both activations; null keeps the variant's own.</summary>
    public double? C { get; init; }

    /// <summary>Schedule of the noise scale, shared by all sites (decision 21); null keeps the scale constant.</summary>
    public Schedule? Schedule { get; init; }

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

    /// <summary>Order of difficulty of the training examples.</summary>
    public Curriculum Curriculum { get; init; } = Curriculum.Create(CurriculumKind.None);

    /// <summary>The run is finished once validation at the last stage is at or beyond this value of the task's metric; null
    /// never.</summary>
    public double? StopAt { get; init; }

    /// <summary>The run is finished after this many evaluations at the last stage without improvement; 0 never.</summary>
    public int Patience { get; init; }

    /// <summary>Whether the weights of the best validation at the last stage are tested and exported, and not the final
    /// ones.</summary>
    public bool KeepBest { get; init; }

    /// <summary>Learning rate of an epoch.</summary>
    /// <param name="epoch">Epoch, from 1.</param>
    public double LearningRateAt(int epoch) => LearningRate / Math.Pow(Decay, Math.Max(0, epoch - DecayAfter));

    /// <summary>The optimiser with the momentum and the weight decay of these settings.</summary>
    public OptimizerSpec OptimizerSpec()
    {
        var own = Core.OptimizerSpec.Create(Optimizer);
        return own with { Momentum = Momentum ?? own.Momentum, WeightDecay = WeightDecay };
    }

    /// <summary>A spec with the overrides of these settings; one without noise takes the clip alone.</summary>
    /// <param name="spec">The variant's own.</param>
    public NoisyActivationSpec Override(NoisyActivationSpec spec) => spec.Noise == NoiseKind.None
        ? spec with { ClipOutput = ClipOutput || spec.ClipOutput }
        : spec with
        {
            Alpha = Alpha ?? spec.Alpha,
            C = C ?? spec.C,
            P = P ?? spec.P,
            LearnP = LearnP && spec.LearnP,
            ClipOutput = ClipOutput || spec.ClipOutput,
            AlphaOne = AlphaOne == AlphaOneRule.Inward ? spec.AlphaOne : AlphaOne,
        };

    /// <summary>Why a setting means nothing for an activation.</summary>
    /// <param name="field">JSON name of the setting; case does not matter.</param>
    /// <param name="activation">The activation.</param>
    /// <param name="schedule">The schedule of the noise scale beside the setting; null if there is none.</param>
    /// <returns>A clause such as "which has no noise"; null if the setting has a meaning.</returns>
    public static string? WhyUnused(string field, ActivationPair activation, Schedule? schedule = null)
    {
        var (tanh, name) = (activation.Tanh, field.ToLowerInvariant());
        if (!activation.IsNoisy) return name is "alpha" or "c" or "p" or "learnp" or "alphaone" or "schedule" ? "which has no noise" : null;
        return name switch
        {
            "c" when schedule is not null => $"whose noise scale is that of the schedule {schedule} (add --set schedule=null to train with c)",
            "alpha" when tanh.Placement != NoisePlacement.Output => "whose noise enters at the input",
            "p" or "learnp" when !tanh.UsesP => "which has no gap gain",
            _ => null,
        };
    }

    /// <summary>These settings without those that mean nothing for an activation.</summary>
    /// <param name="activation">The activation.</param>
    internal TrainingSettings For(ActivationPair activation)
    {
        bool Used(string field) => WhyUnused(field, activation) is null;
        return this with
        {
            Alpha = Used("alpha") ? Alpha : null,
            C = Used("c") ? C : null,
            P = Used("p") ? P : null,
            LearnP = LearnP || !Used("learnP"),
            Schedule = Used("schedule") ? Schedule : null,
        };
    }

    /// <summary>One sentence for each broken rule.</summary>
    internal IEnumerable<string> BrokenRules()
    {
        if (Epochs < 1) yield return $"epochs is {Epochs}: must be >= 1";
        if (EpochUpdates < 1) yield return $"epochUpdates is {EpochUpdates}: must be >= 1";
        if (!(double.IsFinite(LearningRate) && LearningRate > 0)) yield return $"learningRate is {LearningRate}: must be finite and > 0";
        if (!(double.IsFinite(Decay) && Decay >= 1)) yield return $"decay is {Decay}: must be finite and >= 1";
        if (DecayAfter < 0) yield return $"decayAfter is {DecayAfter}: must be >= 0";
        if (!(Momentum is null or (>= 0 and < 1))) yield return $"momentum is {Momentum}: must be in [0, 1)";
        if (Momentum > 0 && Optimizer is not (OptimizerKind.Sgd or OptimizerKind.GravesRmsProp)) yield return $"momentum does not apply to {Optimizer}";
        if (!(double.IsFinite(WeightDecay) && WeightDecay >= 0)) yield return $"weightDecay is {WeightDecay}: must be finite and >= 0";
        if (!(Clip > 0)) yield return $"clip is {Clip}: must be > 0";
        if (TestNoise == NoiseMode.Sample) yield return "testNoise is sample: must be mean, exactMean or off, so that an evaluation can be repeated";
        if (StopAt is { } at && !double.IsFinite(at)) yield return $"stopAt is {at}: must be finite";
        if (Patience < 0) yield return $"patience is {Patience}: must be >= 0 (0 waits for ever)";
    }

    /// <summary>Names of the settings that differ from the defaults, of those that only noise gives a meaning.</summary>
    internal IEnumerable<string> NoiseSettings()
    {
        if (Alpha is not null) yield return "alpha";
        if (C is not null) yield return "c";
        if (P is not null) yield return "p";
        if (!LearnP) yield return "learnP";
        if (Schedule is not null) yield return "schedule";
    }
}
