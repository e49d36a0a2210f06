namespace Noisy.Core;

/// <summary>Parameters and inputs of a layer: row-major, with torch's shapes and gate order. Null means zeros.</summary>
internal unsafe struct RecurrentInputs
{
    /// <summary>[T B, I].</summary>
    internal float* Input;

    /// <summary>[G H, I] and [G H, H].</summary>
    internal float* WeightIh, WeightHh;

    /// <summary>[G H] each; may be null.</summary>
    internal float* BiasIh, BiasHh;

    /// <summary>[sites, H]; read if the cell reads p.</summary>
    internal float* Gains;

    /// <summary>[B, H] each; may be null.</summary>
    internal float* Hidden, Cell;
}
