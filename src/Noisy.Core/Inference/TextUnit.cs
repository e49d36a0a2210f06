namespace Noisy.Core;

/// <summary>What a token of a text is.</summary>
public enum TextUnit
{
    /// <summary>A word.</summary>
    Word,

    /// <summary>A character: a Unicode scalar value, blanks and line feeds among them.</summary>
    Character,
}
