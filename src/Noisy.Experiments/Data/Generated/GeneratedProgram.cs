using System.Globalization;

namespace Noisy.Experiments;

/// <summary>A small program in the style of Python, and what it prints.</summary>
/// <param name="Lines">Its lines but the last; each defines or changes a variable.</param>
/// <param name="Expression">What its last line prints.</param>
/// <param name="Answer">The value of that.</param>
/// <remarks>Source: docs/paper.md, reference systems.</remarks>
public sealed record GeneratedProgram(IReadOnlyList<string> Lines, string Expression, Int128 Answer)
{
    /// <summary>What a model reads before it answers: each line with a #, then <c>print(…)@</c>.</summary>
    public string Question { get; } = string.Concat(Lines.Select(line => line + "#")) + $"print({Expression})@";

    /// <summary>What it is to answer: the number in decimal, with a minus sign where it is negative, and a full stop.</summary>
    public string Target { get; } = Answer.ToString(CultureInfo.InvariantCulture) + ".";

    /// <summary>Question and target.</summary>
    public string Text => Question + Target;

    /// <summary>The one part of the data that a program of this text belongs to, however it came about.</summary>
    /// <remarks>FNV-1a (64 bits) of the text modulo 3.</remarks>
    public Split Split
    {
        get
        {
            var hash = 0xCBF29CE484222325UL;
            foreach (var character in Text) hash = (hash ^ character) * 0x100000001B3UL;
            return (Split)(hash % 3);
        }
    }
}
