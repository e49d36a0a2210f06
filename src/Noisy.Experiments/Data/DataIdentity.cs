using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Which data a run saw, as its summary states it.</summary>
/// <param name="Name">Short name of the set, such as "ptb".</param>
/// <param name="Source"><see cref="Real"/>, <see cref="BuiltIn"/> or <see cref="Own"/>.</param>
/// <param name="Sha256">SHA-256 over the uncompressed contents in a fixed order that the loader states; 64 lower-case hexadecimal digits.</param>
public sealed record DataIdentity(string Name, string Source, string Sha256)
{
    /// <summary>Data that somebody collected.</summary>
    public const string Real = "real";

    /// <summary>Data that this library generates.</summary>
    public const string BuiltIn = "built-in";

    /// <summary>Data of an experiment of one's own, of which this library does not know whence they are.</summary>
    public const string Own = "own";
}
