using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>
/// Tells the modules of one model which update it is, so that they can keep torch's plain <c>forward(x)</c>. The training
/// loop advances it once an update; it is the only thing about noise that changes.
/// </summary>
/// <remarks>
/// <para>Every module has an id from its clock, its number in the order of construction. Its draws are those of child <em>id</em> of the
/// context's key, the clock's being <c>Key.Child("noise")</c>. So <c>forward(x)</c> after <c>Advance(update, scale)</c> draws what
/// <c>forward(x, new NoiseContext(NoiseMode.Sample, Key.Child("noise"), update, 0, scale))</c> draws.</para>
/// <para>A module that is called plainly several times in one update takes later time steps each time, and so does one within another
/// that was called; no draw is used twice. Advancing begins again at time step 0. With a context of one's own, the time step is the
/// caller's: <see cref="NoiseContext.Later"/>.</para>
/// <para>Not safe for concurrent use by several threads.</para>
/// </remarks>
/// <param name="key">Root of the model's draws.</param>
public sealed class NoiseClock(NoiseKey key)
{
    private readonly Dictionary<uint, int> nextTimeStep = [];

    /// <summary>The id that the next module gets.</summary>
    internal uint NextModuleId { get; private set; }

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

    /// <summary>Where a clock stands.</summary>
    internal sealed record Calls(long Update, double? Scale, NoiseMode TestMode, IReadOnlyDictionary<uint, int> NextTimeStep);

    /// <summary>Where the clock stands.</summary>
    internal Calls Save() => new(Update, Scale, TestMode, new Dictionary<uint, int>(nextTimeStep));

    /// <summary>Takes the noise of a file's test as far as the user has said nothing of it; update and time steps stay.</summary>
    internal void Adopt(NoiseContext test)
    {
        Scale ??= test.Scale;
        if (TestMode == NoiseMode.Mean && test.Mode != NoiseMode.Sample) TestMode = test.Mode;
    }

    /// <summary>Goes back to where the clock stood.</summary>
    internal void Restore(Calls calls)
    {
        Advance(calls.Update, calls.Scale);
        TestMode = calls.TestMode;
        foreach (var (id, step) in calls.NextTimeStep) nextTimeStep[id] = step;
    }

    /// <summary>An id for a module that joins the model; the first gets 0. Depends on the order of construction only.</summary>
    public uint NewModuleId() => NextModuleId++;

    /// <summary>The context of one plain call of a module; the module draws from child <paramref name="moduleId"/> of its key.</summary>
    /// <param name="moduleId">The module's id from <see cref="NewModuleId"/>.</param>
    /// <param name="training">The module's mode.</param>
    /// <param name="timeSteps">How many time steps the call covers, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="timeSteps"/> is below 1.</exception>
    /// <exception cref="InvalidOperationException">The update has no time steps left: there are 2³¹ − 1.</exception>
    public NoiseContext Context(uint moduleId, bool training, int timeSteps = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(timeSteps, 1);
        return Context(moduleId, moduleId + 1, training, timeSteps);
    }

    /// <summary>Noise of one plain call of a module of one's own, in training: a function of (seed, module, update, time step, element), the
    /// time step being a later one at each call.</summary>
    /// <param name="moduleId">The module's id from <see cref="NewModuleId"/>.</param>
    /// <param name="like">Gives shape, device and type of the result.</param>
    /// <returns>Draws of N(0, 1), as single-precision numbers that were converted to the type.</returns>
    public Tensor Normal(uint moduleId, Tensor like)
    {
        var context = Context(moduleId, training: true);
        using var draws = NoiseSource.Normal(context.Key.Child(moduleId), context.Update, context.TimeStep, [1, .. like.shape], like.device);
        using var shaped = draws.reshape(like.shape);
        return shaped.to_type(like.dtype, copy: true);
    }

    /// <summary>The context of one plain call of a module that contains others: their ids are counted together.</summary>
    /// <param name="first">The least id.</param>
    /// <param name="end">The greatest id, and one.</param>
    /// <param name="training">The module's mode.</param>
    /// <param name="timeSteps">How many time steps the call covers, ≥ 1.</param>
    internal NoiseContext Context(uint first, uint end, bool training, int timeSteps)
    {
        if (!training) return new NoiseContext(TestMode, Scale: Scale);
        var step = 0;
        for (var id = first; id < end; id++) step = Math.Max(step, nextTimeStep.GetValueOrDefault(id));
        if (step > int.MaxValue - timeSteps)
            throw new InvalidOperationException($"update {Update} has no {timeSteps} time steps left after {step}: advance the clock once an update");
        for (var id = first; id < end; id++) nextTimeStep[id] = step + timeSteps;
        return new NoiseContext(NoiseMode.Sample, Key.Child("noise"), Update, step, Scale);
    }
}
