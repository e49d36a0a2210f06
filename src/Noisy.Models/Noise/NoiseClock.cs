using Noisy.Core;

namespace Noisy.Models;

/// <summary>
/// Tells the modules of one model which update it is, so that they can keep torch's plain <c>forward(x)</c>. The training
/// loop advances it once an update; it is the only thing about noise that changes.
/// </summary>
/// <remarks>
/// A module takes its mode from <c>train()</c>/<c>eval()</c>, its key and scale from here. A site that runs several times in
/// one update counts its calls, so no draw is used twice; advancing resets the counts.
/// Not safe for concurrent use by several threads.
/// </remarks>
/// <param name="key">Root of the model's draws.</param>
public sealed class NoiseClock(NoiseKey key)
{
    private readonly Dictionary<uint, int> nextTimeStep = [];
    private uint sites;

    /// <summary>A clock for a seed.</summary>
    /// <param name="seed">The user's seed.</param>
    public NoiseClock(long seed)
        : this(NoiseKey.FromSeed(seed))
    {
    }

    /// <summary>Root of the model's draws.</summary>
    public NoiseKey Key { get; } = key;

    /// <summary>Current optimiser update, from 0.</summary>
    public long Update { get; private set; }

    /// <summary>Noise scale c of this update for every site; null leaves each spec's own C.</summary>
    public double? Scale { get; private set; }

    /// <summary>What modules do in <c>eval()</c>; default <see cref="NoiseMode.Mean"/>, as in the paper.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to <see cref="NoiseMode.Sample"/>, which is what <c>train()</c> does.</exception>
    public NoiseMode TestMode
    {
        get;
        set => field = value != NoiseMode.Sample ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, "modules sample in train(), not in eval()");
    } = NoiseMode.Mean;

    /// <summary>Moves to an update and forgets the call counts.</summary>
    /// <param name="update">Optimiser update, ≥ 0; going back is allowed (a resume, or a second look at a batch).</param>
    /// <param name="scale">Noise scale c, ≥ 0; null leaves each spec's own C.</param>
    /// <exception cref="ArgumentOutOfRangeException">The update is negative, or the scale negative or not finite.</exception>
    public void Advance(long update, double? scale = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(update);
        if (scale is { } c && !(double.IsFinite(c) && c >= 0))
            throw new ArgumentOutOfRangeException(nameof(scale), c, "the noise scale must be finite and >= 0");
        Update = update;
        Scale = scale;
        nextTimeStep.Clear();
    }

    /// <summary>A number for a module that joins the model; the first gets 0. Depends on the order of construction only.</summary>
    public uint NewModuleId() => sites++;

    /// <summary>The context of one call of one module.</summary>
    /// <param name="site">The module's number from <see cref="NewModuleId"/>.</param>
    /// <param name="training">The module's mode.</param>
    /// <param name="timeSteps">How many time steps the call covers, ≥ 1.</param>
    public NoiseContext Context(uint site, bool training, int timeSteps = 1)
    {
        if (!training) return new NoiseContext(TestMode, Scale: Scale);
        var first = nextTimeStep.GetValueOrDefault(site);
        nextTimeStep[site] = first + timeSteps;
        return new NoiseContext(NoiseMode.Sample, Key.Child("noise").Child(site), Update, first, Scale);
    }
}
