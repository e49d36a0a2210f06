namespace Noisy.Experiments;

/// <summary>What a picture shows: one to three things, no two of them alike, in reading order.</summary>
/// <param name="Things">The things, by rows and in a row by columns.</param>
public sealed record CaptionScene(IReadOnlyList<CaptionThing> Things)
{
    /// <summary>Captions a picture.</summary>
    public const int References = 5;

    private static readonly string[] Relations = ["above", "below", "left of", "right of"];
    private static readonly string[] Openings = ["there is ", "the picture shows "];

    /// <summary>The reference captions, all true; the first is the one to be learned. Words separated by blanks.</summary>
    public IReadOnlyList<string> Captions()
    {
        string Seen(int thing, int other) =>
            $"{Things[thing].Description} {Things[thing].Relation(Things[other])} {Things[other].Description}";
        var first = Things[0].Description;
        switch (Things.Count)
        {
            case 1:
                var place = $"{first} at the {Things[0].Place}";
                return [place, first, "there is " + place, "the picture shows " + first, "there is " + first];
            case 2:
                var second = Things[1].Description;
                return [Seen(0, 1), Seen(1, 0), "there is " + Seen(0, 1), $"{first} and {second}", $"the picture shows {first} and {second}"];
            default:
                var (middle, last) = (Things[1].Description, Things[2].Description);
                return
                [
                    $"{Seen(0, 1)} and {last}", $"{Seen(1, 0)} and {last}", $"there is {first} , {middle} and {last}",
                    $"{Seen(2, 1)} and {first}", $"{first} , {middle} and {last}",
                ];
        }
    }

    /// <summary>Whether a caption is a sentence of the grammar and says nothing false of the scene; it need not say all.</summary>
    /// <param name="caption">Words separated by single blanks.</param>
    /// <remarks>A sentence: perhaps "there is" or "the picture shows"; then descriptions, in which the size may be missing, joined by
    /// a relation, by "and" or by a comma; each may have "at the" and a place behind it. Different descriptions are of different
    /// things.</remarks>
    public bool IsTrue(string caption)
    {
        ArgumentNullException.ThrowIfNull(caption);
        var opening = Openings.FirstOrDefault(o => caption.StartsWith(o, StringComparison.Ordinal)) ?? "";
        return Holds(caption[opening.Length..], null, []);
    }

    /// <summary>Whether the rest of a caption holds, things that were named before being taken.</summary>
    /// <param name="rest">A description and what follows.</param>
    /// <param name="relation">How the thing before stands to the one that comes; null where nothing is said.</param>
    /// <param name="taken">The things before, the latest last.</param>
    private bool Holds(string rest, string? relation, List<CaptionThing> taken)
    {
        foreach (var thing in Things.Except(taken))
        {
            if (relation is not null && taken[^1].Relation(thing) != relation) continue;
            foreach (var description in new[] { thing.Description, thing.Description.Remove(2, 6) })
            {
                foreach (var said in new[] { description, $"{description} at the {thing.Place}" })
                {
                    if (rest == said) return true;
                    if (!rest.StartsWith(said + " ", StringComparison.Ordinal)) continue;
                    var after = rest[(said.Length + 1)..];
                    foreach (var joint in Relations.Append("and").Append(","))
                    {
                        if (after.StartsWith(joint + " ", StringComparison.Ordinal)
                            && Holds(after[(joint.Length + 1)..], Relations.Contains(joint) ? joint : null, [.. taken, thing])) return true;
                    }
                }
            }
        }

        return false;
    }
}
