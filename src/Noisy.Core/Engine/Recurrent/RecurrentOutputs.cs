namespace Noisy.Core;

/// <summary>Results of a layer.</summary>
internal unsafe struct RecurrentOutputs
{
    /// <summary>[T B, H].</summary>
    internal float* Output;

    /// <summary>Final states [B, H]; null if not wanted.</summary>
    internal float* Hidden, Cell;
}
