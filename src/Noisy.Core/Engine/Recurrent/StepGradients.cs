namespace Noisy.Core;

/// <summary>Gradients of a single time step: upstream (null means zeros), and where the others go.</summary>
internal unsafe struct StepGradients
{
    /// <summary>Upstream: in the states after the step, [B, H].</summary>
    internal float* Hidden, Cell;

    /// <summary>Overwritten, shaped as the values in <see cref="StepInputs"/>; null if not wanted.</summary>
    internal float* FromInput, FromState, Carried;

    /// <summary>[sites, H].</summary>
    internal GradientTarget Gains;
}
