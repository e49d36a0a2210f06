namespace Noisy.Experiments;

/// <summary>Colours of <see cref="CaptionWorld"/>; their words are their names in lower case.</summary>
public enum CaptionColour
{
    /// <summary>Red.</summary>
    Red,

    /// <summary>Green.</summary>
    Green,

    /// <summary>Blue.</summary>
    Blue,

    /// <summary>Yellow.</summary>
    Yellow,

    /// <summary>Purple.</summary>
    Purple,

    /// <summary>White.</summary>
    White,
}
