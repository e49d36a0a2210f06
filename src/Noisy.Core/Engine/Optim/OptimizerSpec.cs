namespace Noisy.Core;

/// <summary>An optimiser as a value. Every field has the default of the method's own paper.</summary>
/// <param name="Kind">The method.</param>
/// <param name="Momentum">SGD and Graves' RMSProp: share of the last step that is repeated, in [0, 1).</param>
/// <param name="Decay">RMSProp, Graves' RMSProp, Adadelta: decay of the running means, in [0, 1).</param>
/// <param name="Beta1">Adam: decay of the running mean, in [0, 1).</param>
/// <param name="Beta2">Adam: decay of the running mean square, in [0, 1).</param>
/// <param name="Epsilon">Keeps denominators from zero, &gt; 0.</param>
/// <param name="WeightDecay">λ, ≥ 0, of every parameter that has a gradient, gap gains included, as in torch.</param>
/// <remarks>With η the learning rate and g the gradient plus λ w:
/// SGD: v ← m v + g, w ← w − η v.
/// RMSProp: n ← ρ n + (1 − ρ) g², w ← w − η g / (√n + ε).
/// Graves: n as before, a ← ρ a + (1 − ρ) g, v ← m v − η g / √(n − a² + ε), w ← w + v.
/// Adam: a ← β₁ a + (1 − β₁) g, n ← β₂ n + (1 − β₂) g², w ← w − η (a / (1 − β₁ᵗ)) / (√(n / (1 − β₂ᵗ)) + ε).
/// Adadelta: n as before, d = √(s + ε) / √(n + ε) · g, s ← ρ s + (1 − ρ) d², w ← w − η d.</remarks>
public sealed record OptimizerSpec(
    OptimizerKind Kind = OptimizerKind.Sgd, double Momentum = 0, double Decay = 0.95, double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8,
    double WeightDecay = 0)
{
    /// <summary>Plain gradient descent.</summary>
    public static OptimizerSpec Sgd { get; } = new();

    /// <summary>RMSProp as torch has it: ρ 0.99, ε 10⁻⁸.</summary>
    public static OptimizerSpec RmsProp { get; } = new(OptimizerKind.RmsProp, Decay: 0.99);

    /// <summary>Graves' values: ρ 0.95, momentum 0.9, ε 10⁻⁴.</summary>
    public static OptimizerSpec GravesRmsProp { get; } = new(OptimizerKind.GravesRmsProp, Momentum: 0.9, Epsilon: 1e-4);

    /// <summary>Adam's values: β₁ 0.9, β₂ 0.999, ε 10⁻⁸.</summary>
    public static OptimizerSpec Adam { get; } = new(OptimizerKind.Adam);

    /// <summary>Adadelta's values: ρ 0.95, ε 10⁻⁶.</summary>
    public static OptimizerSpec Adadelta { get; } = new(OptimizerKind.Adadelta, Epsilon: 1e-6);

    /// <summary>Running values kept for each weight.</summary>
    public int States => Kind switch
    {
        OptimizerKind.Sgd => Momentum > 0 ? 1 : 0,
        OptimizerKind.RmsProp => 1,
        OptimizerKind.GravesRmsProp => 3,
        _ => 2,
    };

    /// <summary>The ready value of a method.</summary>
    /// <param name="kind">The method.</param>
    public static OptimizerSpec Create(OptimizerKind kind) => kind switch
    {
        OptimizerKind.Sgd => Sgd,
        OptimizerKind.RmsProp => RmsProp,
        OptimizerKind.GravesRmsProp => GravesRmsProp,
        OptimizerKind.Adam => Adam,
        OptimizerKind.Adadelta => Adadelta,
        _ => throw new InvalidSpecException([$"the optimiser {kind} is unknown"]),
    };

    /// <summary>Checks every rule.</summary>
    /// <returns>This spec.</returns>
    /// <exception cref="InvalidSpecException">A rule is broken; the message names each.</exception>
    public OptimizerSpec Validate()
    {
        List<string> broken = [];
        if (!Enum.IsDefined(Kind)) broken.Add($"the optimiser {Kind} is unknown");
        Share(Momentum, "momentum");
        Share(Decay, "decay");
        Share(Beta1, "beta1");
        Share(Beta2, "beta2");
        if (!(double.IsFinite(Epsilon) && Epsilon > 0)) broken.Add($"epsilon is {Epsilon}: must be finite and > 0");
        if (!(double.IsFinite(WeightDecay) && WeightDecay >= 0)) broken.Add($"weight decay is {WeightDecay}: must be finite and >= 0");
        return broken.Count == 0 ? this : throw new InvalidSpecException(broken);

        void Share(double value, string name)
        {
            if (!(value >= 0 && value < 1)) broken.Add($"{name} is {value}: must be in [0, 1)");
        }
    }
}
