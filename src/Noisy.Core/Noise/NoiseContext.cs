namespace Noisy.Core;

internal static class NoiseModes
{
    /// <summary>What stands for ξ where it is not drawn and the exact mean is not requested.</summary>
    internal static float Constant(NoisyActivationSpec spec, NoiseMode mode) =>
        mode == NoiseMode.Mean && spec.Noise == NoiseKind.HalfNormal ? (float)NoisyMoments.HalfNormalMean : 0;
}

/// <summary>What one forward pass is told about noise; immutable.</summary>
/// <param name="Mode">What to do with the noise.</param>
/// <param name="Key">Root of the draws; each module derives its own child. Read only when sampling or dropping out.</param>
/// <param name="Update">Optimiser update, from 0.</param>
/// <param name="TimeStep">Time step of the pass's first element, from 0.</param>
/// <param name="Scale">Noise scale c at this update, finite and ≥ 0, the same for every site; null takes each spec's own C.</param>
/// <exception cref="ArgumentOutOfRangeException">The scale is negative or not finite.</exception>
public sealed record NoiseContext(NoiseMode Mode, NoiseKey Key = default, long Update = 0, int TimeStep = 0, double? Scale = null)
{
    private readonly double? scale = Checked(Scale);

    /// <summary>Noise scale c at this update, finite and ≥ 0, the same for every site; null takes each spec's own C.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative or not finite.</exception>
    public double? Scale
    {
        get => scale;
        init => scale = Checked(value);
    }

    /// <summary>Test time: the noise replaced by its expectation.</summary>
    public static NoiseContext Test { get; } = new(NoiseMode.Mean);

    /// <summary>Whether this is a training pass: noise is drawn and dropout acts.</summary>
    public bool IsTraining => Mode == NoiseMode.Sample;

    /// <summary>The same pass as seen by a numbered part of the model.</summary>
    public NoiseContext Child(uint index) => this with { Key = Key.Child(index) };

    /// <summary>The same pass as seen by a named part of the model.</summary>
    public NoiseContext Child(string name) => this with { Key = Key.Child(name) };

    /// <summary>The same pass, later in the sequence.</summary>
    public NoiseContext Later(int timeSteps) => this with { TimeStep = TimeStep + timeSteps };

    private static double? Checked(double? scale)
    {
        if (scale is { } c) NoisyFunction.CheckScale(c);
        return scale;
    }

    /// <summary>The draws of this time step; null if the mode draws nothing.</summary>
    internal NoiseStream? Draws => Mode == NoiseMode.Sample ? Key.At(Update, TimeStep) : null;
}
