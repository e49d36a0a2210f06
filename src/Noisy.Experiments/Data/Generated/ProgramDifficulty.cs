namespace Noisy.Experiments;

/// <summary>How hard a program is.</summary>
/// <param name="Length">Most digits less one L: fresh numbers are uniform over 1 … 10^L, multipliers over 1 … 4L; 1 to <see cref="MaxLength"/>.</param>
/// <param name="Nesting">Operations N, each after the first working on the result of the one before; 1 to <see cref="MaxNesting"/>.</param>
/// <remarks>Source: docs/paper.md, reference systems; "length" counts digits, not lines (decision 12).</remarks>
public readonly record struct ProgramDifficulty(int Length, int Nesting)
{
    /// <summary>Greatest length: numbers of 18 digits.</summary>
    public const int MaxLength = 18;

    /// <summary>Greatest nesting: an operation needs one of ten variable names at most.</summary>
    public const int MaxNesting = 10;

    /// <summary>The difficulty of a stage: all lengths with one operation, then all with two, and so on.</summary>
    /// <param name="stage">Stage s, from 1 to (greatest length) · (greatest nesting).</param>
    /// <param name="lengths">Greatest length L*.</param>
    /// <returns>L = 1 + (s − 1) mod L*, N = 1 + ⌊(s − 1) / L*⌋.</returns>
    /// <exception cref="ArgumentOutOfRangeException">Either is below 1.</exception>
    public static ProgramDifficulty OfStage(int stage, int lengths)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(stage, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(lengths, 1);
        return new(1 + ((stage - 1) % lengths), 1 + ((stage - 1) / lengths));
    }

    /// <summary>What no program of this difficulty, or of lesser length and nesting, is longer than; characters.</summary>
    /// <remarks>The longest operations are the conditional, four numbers of at most L + 1 digits and 13 characters, and the loop
    /// with its lines, two numbers and 27 characters; both stay below four numbers and 25 characters. The last line has 8 more,
    /// the answer at most L + 2 N digits, a sign and a full stop, since an operation multiplies by at most 4 L + 1 ≤ 73.</remarks>
    public int LongestText => (Nesting * ((4 * (Length + 1)) + 25)) + 20 + Length + (2 * Nesting);
}
