namespace Noisy.Experiments;

/// <summary>The characters of programs and answers as ids.</summary>
public static class ProgramAlphabet
{
    /// <summary>All characters; the index is the id.</summary>
    public const string Characters = " #()*+-.0123456789:;<=>@abcdefghijlnoprstx";

    /// <summary>The id of what follows the last program of a column.</summary>
    public const int Blank = 0;

    private static readonly int[] Ids = [.. Enumerable.Range(0, 128).Select(code => Characters.IndexOf((char)code))];

    /// <summary>The id of a character.</summary>
    /// <param name="character">One of <see cref="Characters"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is none.</exception>
    public static int Id(char character) => character < Ids.Length && Ids[character] is >= 0 and var id
        ? id
        : throw new ArgumentOutOfRangeException(nameof(character), character, "no program has this character");
}
