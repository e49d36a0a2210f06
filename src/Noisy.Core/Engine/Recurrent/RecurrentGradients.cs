namespace Noisy.Core;

/// <summary>Gradients of a layer: upstream (null means zeros), and where the others go.</summary>
internal unsafe struct RecurrentGradients
{
    /// <summary>Upstream: in the output [T B, H] and in the final states [B, H].</summary>
    internal float* Output, HiddenEnd, CellEnd;

    /// <summary>Shaped as the values in <see cref="RecurrentInputs"/>.</summary>
    internal GradientTarget WeightIh, WeightHh, BiasIh, BiasHh, Gains;

    /// <summary>Overwritten; null if not wanted.</summary>
    internal float* Input, Hidden, Cell;
}
