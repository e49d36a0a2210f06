namespace Noisy.Core;

/// <summary>A number that depends on the update alone: a noise scale c or a learning rate, as data with one pure method.</summary>
/// <remarks>
/// <para>Updates count from 0. Every parameter is checked when the value is made; two schedules are equal when their
/// parameters are. <see cref="ToString"/> gives a text that <see cref="Parse"/> reads back to an equal schedule.</para>
/// <para>Source: paper, Section 3 and the annealed experiments; decisions 20 and 21.</para>
/// </remarks>
/// <example>The paper's annealing, written out:
/// <code>var schedule = Schedule.InverseSqrt(30).Every(200).ClampMin(0.5); // equals Schedule.Paper</code></example>
public abstract record Schedule
{
    /// <summary>The paper's annealing of the noise scale, c = max(0.5, 30 / √(⌊update / 200⌋ + 1)).</summary>
    public static Schedule Paper { get; } = InverseSqrt(30).Every(200).ClampMin(0.5);

    /// <summary>The same value at every update.</summary>
    /// <param name="value">The value; finite and ≥ 0.</param>
    /// <returns>The schedule.</returns>
    /// <exception cref="InvalidSpecException"><paramref name="value"/> is out of range.</exception>
    public static Schedule Constant(double value) => new ConstantSchedule(value);

    /// <summary>start / √(t + 1), t the update.</summary>
    /// <param name="start">Value at update 0; finite and ≥ 0.</param>
    /// <returns>The schedule.</returns>
    /// <exception cref="InvalidSpecException"><paramref name="start"/> is out of range.</exception>
    public static Schedule InverseSqrt(double start) => new InverseSqrtSchedule(start);

    /// <summary>A straight line from start to end, then constant.</summary>
    /// <param name="start">Value at update 0; finite and ≥ 0.</param>
    /// <param name="end">Value from update <paramref name="updates"/> on; finite and ≥ 0.</param>
    /// <param name="updates">Length of the slope in updates; ≥ 1.</param>
    /// <returns>The schedule.</returns>
    /// <exception cref="InvalidSpecException">A parameter is out of range; the message names each.</exception>
    public static Schedule Linear(double start, double end, long updates) => new LinearSchedule(start, end, updates);

    /// <summary>start · factorᵗ, t the update.</summary>
    /// <param name="start">Value at update 0; finite and ≥ 0.</param>
    /// <param name="factor">Ratio of a value to the one before; above 0 and at most 1.</param>
    /// <returns>The schedule.</returns>
    /// <exception cref="InvalidSpecException">A parameter is out of range; the message names each.</exception>
    public static Schedule Exponential(double start, double factor) => new ExponentialSchedule(start, factor);

    /// <summary>Half a cosine from start to end, then constant.</summary>
    /// <param name="start">Value at update 0; finite and ≥ 0.</param>
    /// <param name="end">Value from update <paramref name="updates"/> on; finite and ≥ 0.</param>
    /// <param name="updates">Length of the half wave in updates; ≥ 1.</param>
    /// <returns>The schedule.</returns>
    /// <exception cref="InvalidSpecException">A parameter is out of range; the message names each.</exception>
    public static Schedule Cosine(double start, double end, long updates) => new CosineSchedule(start, end, updates, null);

    /// <summary>Half a cosine from start to end, again and again: stochastic gradient descent with warm restarts (Loshchilov and Hutter,
    /// 2017), for a noise scale.</summary>
    /// <param name="start">Value at update 0 and at each restart; finite and ≥ 0.</param>
    /// <param name="end">Value just before each restart; finite and ≥ 0.</param>
    /// <param name="updates">Updates to the first restart; ≥ 1.</param>
    /// <param name="growth">How many times as long each period is as the one before; ≥ 1.</param>
    /// <returns>The schedule.</returns>
    /// <exception cref="InvalidSpecException">A parameter is out of range; the message names each.</exception>
    public static Schedule WarmRestarts(double start, double end, long updates, long growth = 1) => new CosineSchedule(start, end, updates, growth);

    /// <summary>A function of the update.</summary>
    /// <param name="name">What it is called in logs and configs, such as "cosine(0.5, 2000)": one line without brackets [ ] and bars.</param>
    /// <param name="function">From updates so far (≥ 0) to the value, finite and ≥ 0; pure, so that a resumed run has the same values.</param>
    /// <returns>The schedule. Its text names the function and holds a fingerprint of its values, so that a run is not resumed with
    /// another function; the text alone gives no values back.</returns>
    /// <exception cref="InvalidSpecException">The name has another form.</exception>
    public static Schedule FromFunction(string name, Func<long, double> function) => new FunctionSchedule(name, function);

    /// <summary>Reads a schedule from its text form.</summary>
    /// <param name="text">A start, then any number of changes, separated by bars:
    /// <c>inverseSqrt(30) | every(200) | clampMin(0.5)</c>. A bare number is a constant, <c>paper</c> the paper's annealing.</param>
    /// <returns>The schedule; <see cref="ToString"/> of it, read again, gives an equal one.</returns>
    /// <exception cref="InvalidSpecException">The text is malformed, a parameter is out of range or changes are nested deeper than
    /// <see cref="MaxDepth"/>; the message has the position (from 1), what was found and what is known.</exception>
    public static Schedule Parse(string text) => ScheduleText.Parse(text);

    /// <summary>Value at an update.</summary>
    /// <param name="update">Optimiser updates made so far; ≥ 0.</param>
    /// <returns>The value; finite and ≥ 0.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="update"/> is negative.</exception>
    /// <remarks>Randomness: none.</remarks>
    public double At(long update)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(update);
        return ValueAt(update);
    }

    /// <summary>This schedule as a staircase: its value at ⌊update / updates⌋.</summary>
    /// <param name="updates">Length of a stair in updates; ≥ 1.</param>
    /// <returns>The staircase.</returns>
    /// <exception cref="InvalidSpecException"><paramref name="updates"/> is out of range, or this is the <see cref="MaxDepth"/>th change.</exception>
    public Schedule Every(long updates) => new EverySchedule(this, updates);

    /// <summary>This schedule, but never below a floor.</summary>
    /// <param name="floor">Least value; finite and ≥ 0.</param>
    /// <returns>The clamped schedule.</returns>
    /// <exception cref="InvalidSpecException"><paramref name="floor"/> is out of range, or this is the <see cref="MaxDepth"/>th change.</exception>
    public Schedule ClampMin(double floor) => new ClampMinSchedule(this, floor);

    /// <summary>This schedule, but never above a ceiling.</summary>
    /// <param name="ceiling">Greatest value; finite and ≥ 0.</param>
    /// <returns>The clamped schedule.</returns>
    /// <exception cref="InvalidSpecException"><paramref name="ceiling"/> is out of range, or this is the <see cref="MaxDepth"/>th change.</exception>
    public Schedule ClampMax(double ceiling) => new ClampMaxSchedule(this, ceiling);

    /// <summary>Changes that may be made to one schedule, one within the other; more are refused when the value is made.</summary>
    public const int MaxDepth = 100;

    /// <summary>This schedule before an update, another one from there on.</summary>
    /// <param name="update">First update of <paramref name="next"/>; ≥ 1.</param>
    /// <param name="next">The schedule that takes over; it counts its own updates from 0 at the switch.</param>
    /// <returns>The joined schedule.</returns>
    /// <exception cref="InvalidSpecException"><paramref name="update"/> is out of range, or this is the <see cref="MaxDepth"/>th change.</exception>
    public Schedule Then(long update, Schedule next) => new ThenSchedule(this, update, next);

    /// <summary>The text form, which <see cref="Parse"/> reads back exactly.</summary>
    /// <returns>For example <c>inverseSqrt(30) | every(200) | clampMin(0.5)</c>; numbers in the invariant culture.</returns>
    public sealed override string ToString() => Text;

    /// <summary>Value at an update that is known to be ≥ 0.</summary>
    /// <param name="update">Updates so far; ≥ 0.</param>
    /// <returns>The value.</returns>
    protected internal abstract double ValueAt(long update);

    /// <summary>The text form of this schedule.</summary>
    protected internal abstract string Text { get; }

    /// <summary>How deep calls for a value go: 1 more than the deepest schedule within this one.</summary>
    internal virtual int Depth => 1;
}
