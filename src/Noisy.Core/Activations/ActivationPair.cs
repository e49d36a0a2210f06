namespace Noisy.Core;

/// <summary>A named pair of activations: what replaces a tanh and what replaces a sigmoid in a network.</summary>
/// <param name="Name">Lower-case name, as scripts take it.</param>
/// <param name="Tanh">Replaces every tanh.</param>
/// <param name="Sigmoid">Replaces every sigmoid.</param>
/// <param name="Summary">One line for help texts.</param>
public sealed record ActivationPair(string Name, NoisyActivationSpec Tanh, NoisyActivationSpec Sigmoid, string Summary)
{
    /// <summary>Both activations changed by the same function; the name stays.</summary>
    /// <param name="change">Maps a spec to another, for example <c>s => s.WithC(0.25)</c>.</param>
    /// <returns>The changed pair.</returns>
    public ActivationPair Map(Func<NoisyActivationSpec, NoisyActivationSpec> change) =>
        this with { Tanh = change(Tanh), Sigmoid = change(Sigmoid) };

    /// <summary>The name and both specs, in one line.</summary>
    public override string ToString() => $"{Name} (tanh: {Tanh}; sigmoid: {Sigmoid})";

    /// <summary>Whether either activation draws noise.</summary>
    public bool IsNoisy => Tanh.Noise != NoiseKind.None || Sigmoid.Noise != NoiseKind.None;
}
