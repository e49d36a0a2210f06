using System.Globalization;
using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>A curriculum as data: what is drawn, and when it becomes harder. Pure; its state is a <see cref="CurriculumState"/>.</summary>
/// <remarks>
/// <para>Two paces. By results, as in Learning to Execute's code: after a check the stage goes up by one if validation
/// accuracy exceeds 0.95, or if training accuracy is below what it was five checks ago; at the last stage the learning rate
/// is multiplied by 0.8 instead, and the run ends once it is below 1/500 of its start (there 0.001 of 0.5). Over N updates:
/// stage 1 + ⌊(stages − 1) · min(1, u / N)⌋ at update u.</para>
/// <para>Text form: <c>none</c>; <c>naive</c>, <c>mix</c> or <c>combined</c>, alone or with <c>by results</c> or
/// <c>over N</c>. Source: Zaremba and Sutskever, 2014, and their code; docs/paper.md.</para>
/// </remarks>
public sealed record Curriculum
{
    private const double Mastered = 0.95, Slower = 0.8, LeastFactor = 0.001 / 0.5;
    private const int Remembered = 5, MixOneIn = 5;

    private Curriculum(CurriculumKind kind, long? over)
    {
        (Kind, Over) = (kind, over);
        if (kind == CurriculumKind.None && over is not null) throw new InvalidSpecException(["curriculum none has no pace: leave out 'over'"]);
        if (over < 1) throw new InvalidSpecException([$"curriculum: over is {over}: must be >= 1"]);
    }

    /// <summary>What is drawn.</summary>
    public CurriculumKind Kind { get; }

    /// <summary>Updates from the first stage to the last; null goes by results.</summary>
    public long? Over { get; }

    /// <summary>Whether the stage depends on how well the model does.</summary>
    public bool GoesByResults => Kind != CurriculumKind.None && Over is null;

    /// <summary>A curriculum.</summary>
    /// <param name="kind">What is drawn.</param>
    /// <param name="over">Updates from the first stage to the last, ≥ 1; null goes by results.</param>
    /// <exception cref="InvalidSpecException">A pace for <see cref="CurriculumKind.None"/>, or one below 1.</exception>
    public static Curriculum Create(CurriculumKind kind, long? over = null) => new(kind, over);

    /// <summary>Reads a curriculum from its text form.</summary>
    /// <param name="text">Such as <c>combined</c> or <c>naive over 20000</c>.</param>
    /// <returns>The curriculum; <see cref="ToString"/> of it, read again, gives an equal one.</returns>
    /// <exception cref="InvalidSpecException">The text is none; the message says what is known.</exception>
    public static Curriculum Parse(string text)
    {
        var words = (text ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        CurriculumKind? kind = words.FirstOrDefault() switch
        {
            "none" => CurriculumKind.None,
            "naive" => CurriculumKind.Naive,
            "mix" => CurriculumKind.Mix,
            "combined" => CurriculumKind.Combined,
            _ => null,
        };
        return (kind, words.Skip(1).ToArray()) switch
        {
            ({ } k, []) => new(k, null),
            ({ } k and not CurriculumKind.None, ["by", "results"]) => new(k, null),
            ({ } k, ["over", var n]) when long.TryParse(n, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var over) => new(k, over),
            _ => throw new InvalidSpecException(
                [$"curriculum '{text}': must be none, naive, mix or combined; all but none may be followed by 'by results' or by 'over N', N an integer of updates"]),
        };
    }

    /// <summary>The text form, which <see cref="Parse"/> reads back.</summary>
    public override string ToString() =>
        Kind.ToString().ToLowerInvariant() + (Over is { } n ? $" over {n.ToString(CultureInfo.InvariantCulture)}" : "");

    /// <summary>The current stage.</summary>
    /// <param name="update">Updates done, ≥ 0.</param>
    /// <param name="stages">How many stages the task has, ≥ 1.</param>
    /// <param name="state">State after the last check; read by a curriculum that goes by results.</param>
    /// <returns>A stage in [1, <paramref name="stages"/>].</returns>
    public int StageAt(long update, int stages, CurriculumState state) => this switch
    {
        { Kind: CurriculumKind.None } => stages,
        { Over: { } n } => update >= n ? stages : 1 + (int)((Int128)(stages - 1) * update / n),
        _ => Math.Min(state.Stage, stages),
    };

    /// <summary>The state after a check.</summary>
    /// <param name="train">Accuracy in training since the check before, in [0, 1]; NaN counts as neither better nor worse.</param>
    /// <param name="valid">Accuracy in validation at the current stage, in [0, 1].</param>
    /// <param name="stages">How many stages the task has, ≥ 1.</param>
    /// <param name="state">State before.</param>
    public CurriculumState After(double train, double valid, int stages, CurriculumState state)
    {
        if (!GoesByResults) return state;
        var change = valid > Mastered || (state.Accuracies.Count == Remembered && train < state.Accuracies[0]);
        if (!change) return state with { Accuracies = [.. state.Accuracies.TakeLast(Remembered - 1), train] };
        return state.Stage < stages
            ? state with { Stage = state.Stage + 1, Accuracies = [train] }
            : state with { RateFactor = state.RateFactor * Slower, Accuracies = [train] };
    }

    /// <summary>Whether the learning rate has fallen so far that the run ends.</summary>
    /// <param name="state">State after the last check.</param>
    public bool IsOver(CurriculumState state) => GoesByResults && state.RateFactor < LeastFactor;

    /// <summary>The stage that one example, or one batch of equal difficulty, is drawn from.</summary>
    /// <param name="stage">The current stage, <see cref="StageAt"/>.</param>
    /// <param name="stages">How many stages the task has, ≥ 1.</param>
    /// <param name="stream">Source of the draw; elements 2 index and 2 index + 1 are read.</param>
    /// <param name="index">Number of the example, ≥ 0.</param>
    /// <returns>A stage in [1, <paramref name="stages"/>].</returns>
    public int Draw(int stage, int stages, NoiseStream stream, long index)
    {
        var mixes = Kind == CurriculumKind.Mix || (Kind == CurriculumKind.Combined && stream.Below(MixOneIn, 2 * index) == 0);
        return mixes ? 1 + stream.Below(stages, (2 * index) + 1) : stage;
    }
}
