namespace Noisy.Core;

/// <summary>Parameters and inputs: row-major, a linear map with one row for each output.</summary>
internal unsafe struct NtmInputs
{
    /// <summary>[T B, I].</summary>
    internal float* Input;

    /// <summary>[G H, I + R M], and [G H, H] if the controller is recurrent; the bias [G H].</summary>
    internal float* WeightIh, WeightHh, Bias;

    /// <summary>[sites, H]; read if the controller reads p.</summary>
    internal float* Gains;

    /// <summary>[head outputs, H] and their bias.</summary>
    internal float* HeadWeight, HeadBias;

    /// <summary>[O, H + R M] and their bias.</summary>
    internal float* OutputWeight, OutputBias;

    /// <summary>What every sequence starts from: memory [N, M], attention [heads, N], reads [R, M], and the controller's states
    /// [H] if it is recurrent.</summary>
    internal float* Memory, Attention, Reads, Hidden, Cell;
}

/// <summary>Gradients to compute; each shaped as the value in <see cref="NtmInputs"/>.</summary>
internal unsafe struct NtmGradients
{
    /// <summary>Upstream gradient of the logits [T B, O].</summary>
    internal float* Logits;

    /// <summary>Requested and overwritten; null if not wanted.</summary>
    internal float* Input;

    /// <summary>Requested.</summary>
    internal GradientTarget WeightIh, WeightHh, Bias, Gains, HeadWeight, HeadBias, OutputWeight, OutputBias;

    /// <summary>Requested.</summary>
    internal GradientTarget Memory, Attention, Reads, Hidden, Cell;
}
