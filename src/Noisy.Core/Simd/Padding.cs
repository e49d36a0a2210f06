namespace Noisy.Core;

/// <summary>Rows of units are padded to whole vectors of the widest kind, so that every vector width finds whole vectors.</summary>
internal static class Padding
{
    /// <summary>Floats of the widest vector.</summary>
    internal const int Lanes = 16;

    /// <summary>The next multiple of <see cref="Lanes"/>.</summary>
    internal static int RoundUp(int count) => (count + Lanes - 1) / Lanes * Lanes;
}
