namespace Noisy.Core;

/// <summary>Where the noise enters the unit (paper, Sections 4 and 5).</summary>
public enum NoisePlacement
{
    /// <summary>Added to the output, only where the unit saturates: NAN and NAH.</summary>
    Output,

    /// <summary>Added to the pre-activation, h(x + σξ): NANI and NANIL.</summary>
    Input,

    /// <summary>Added to the pre-activation only where the noiseless unit saturates: NANIS.</summary>
    InputWhenSaturated,
}
