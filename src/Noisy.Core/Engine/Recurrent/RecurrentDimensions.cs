namespace Noisy.Core;

/// <summary>Sizes of one layer in one direction.</summary>
/// <param name="Steps">Time steps T, ≥ 1.</param>
/// <param name="Batch">Examples B, ≥ 1.</param>
/// <param name="Inputs">Features I of an input, ≥ 1.</param>
/// <param name="Hidden">Units H, ≥ 1.</param>
/// <param name="Backwards">Whether time runs from T − 1 down to 0.</param>
internal readonly record struct RecurrentDimensions(int Steps, int Batch, int Inputs, int Hidden, bool Backwards)
{
    /// <summary>Units with padding.</summary>
    internal int Padded => Padding.RoundUp(Hidden);

    /// <summary>Rows of the whole sequence.</summary>
    internal int Rows => Steps * Batch;

    /// <summary>The time step that is handled as number i.</summary>
    internal int StepAt(int i) => Backwards ? Steps - 1 - i : i;
}
