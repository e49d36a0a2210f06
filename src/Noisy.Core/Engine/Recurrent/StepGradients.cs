namespace Noisy.Core;

/// <summary>Gradients of a single time step: upstream (null means zeros), and where the others go.</summary>
internal unsafe struct StepGradients
{
    /// <summary>Upstream: in the states after the step, [B, H].</summary>
    internal float* HiddenEnd, CellEnd;

    /// <summary>Overwritten: in the products with the input and with the state, [B, G H]; null if not wanted.</summary>
    internal float* FromInput, FromState;

    /// <summary>Overwritten: in the states before the step, [B, H]; null if not wanted.</summary>
    internal float* Hidden, Cell;

    /// <summary>[sites, H].</summary>
    internal GradientTarget Gains;
}
