namespace Noisy.Models;

/// <summary>What became of one module.</summary>
public enum NoisifyOutcome
{
    /// <summary>A noisy module has taken its place.</summary>
    Replaced,

    /// <summary>It stayed as it was because nobody requested it, or because it has no noisy counterpart.</summary>
    LeftOut,

    /// <summary>It was requested and could not be replaced; the note says why and what to do.</summary>
    Refused,
}
