namespace Noisy.Core;

/// <summary>
/// The paper's activations as ready values, with the defaults of the authors' code (decision 3): tanh α 1.15, c 0.5;
/// sigmoid α 1.1, c 0.15; input noise 0.05 (NANI) and 0.25 (NANIS, released NANIL).
/// </summary>
public static class Variants
{
    private static readonly NoisyActivationSpec HardTanh = new(SaturatingUnit.HardTanh);
    private static readonly NoisyActivationSpec HardSigmoid = new(SaturatingUnit.HardSigmoid);

    /// <summary>The smooth reference: tanh and logistic sigmoid.</summary>
    public static ActivationPair Soft { get; } = new("soft", HardTanh with { UseSoft = true }, HardSigmoid with { UseSoft = true },
        "tanh and sigmoid, without noise");

    /// <summary>The hard reference: hard-tanh and hard-sigmoid, without noise or leak.</summary>
    public static ActivationPair Hard { get; } = new("hard", HardTanh, HardSigmoid, "hard-tanh and hard-sigmoid, without noise");

    /// <summary>Normal noise at the output, learned p.</summary>
    public static ActivationPair Nan { get; } = new("nan",
        HardTanh with { Noise = NoiseKind.Normal, Alpha = 1.15, C = 0.5 },
        HardSigmoid with { Noise = NoiseKind.Normal, Alpha = 1.1, C = 0.15 },
        "normal noise at the output where the unit saturates, learned p");

    /// <summary>Half-normal noise at the output, learned p.</summary>
    public static ActivationPair Nah { get; } = Nan.Map(s => s.WithNoise(NoiseKind.HalfNormal)) with
    {
        Name = "nah",
        Summary = "half-normal noise at the output where the unit saturates, learned p",
    };

    /// <summary>Normal noise of fixed deviation at the input.</summary>
    public static ActivationPair Nani { get; } = Hard.Map(s => s with
    {
        Noise = NoiseKind.Normal, Placement = NoisePlacement.Input, Scaling = NoiseScaling.Constant, C = 0.05,
    }) with { Name = "nani", Summary = "normal noise of fixed deviation at the input" };

    /// <summary>Normal noise at the input with the deviation of Eq. 9 (the paper's reading; decision 2).</summary>
    public static ActivationPair Nanil { get; } = new("nanil",
        Nani.Tanh with { Scaling = NoiseScaling.Gap, C = 0.5 },
        Nani.Sigmoid with { Scaling = NoiseScaling.Gap, C = 0.15 },
        "normal noise at the input, deviation learned by Eq. 9");

    /// <summary>Noise at the input with the draw-dependent scale of the authors' released code (decision 2).</summary>
    public static ActivationPair NanilReleased { get; } = Nani.Map(s => s with { Scaling = NoiseScaling.Ratio, C = 0.25 }) with
    {
        Name = "nanil-released",
        Summary = "normal noise at the input, softplus scale of the released code",
    };

    /// <summary>Normal noise of fixed deviation at the input, only where the unit saturates.</summary>
    public static ActivationPair Nanis { get; } = Nani.Map(s => s with { Placement = NoisePlacement.InputWhenSaturated, C = 0.25 }) with
    {
        Name = "nanis",
        Summary = "normal noise at the input, only where the unit saturates",
    };

    /// <summary>Every variant, in the paper's order after the two references.</summary>
    public static IReadOnlyList<ActivationPair> All { get; } = [Soft, Hard, Nan, Nah, Nani, Nanil, NanilReleased, Nanis];

    /// <summary>Finds a variant by its name, whatever the case.</summary>
    /// <param name="name">One of the names in <see cref="All"/>.</param>
    /// <returns>The variant.</returns>
    /// <exception cref="InvalidSpecException">No variant has that name; the message lists those that exist.</exception>
    public static ActivationPair ByName(string name) =>
        All.FirstOrDefault(v => v.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new InvalidSpecException([$"unknown activation '{name}': known are {string.Join(", ", All.Select(v => v.Name))}"]);
}
