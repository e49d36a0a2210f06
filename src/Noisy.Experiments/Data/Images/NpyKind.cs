namespace Noisy.Experiments;

/// <summary>Kinds of numbers that <see cref="NpyFile"/> reads.</summary>
public enum NpyKind
{
    /// <summary>Unsigned bytes, "u1".</summary>
    Byte,

    /// <summary>Half precision, "f2".</summary>
    Half,

    /// <summary>Single precision, "f4".</summary>
    Single,

    /// <summary>Double precision, "f8".</summary>
    Double,
}
