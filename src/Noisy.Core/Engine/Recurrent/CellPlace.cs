namespace Noisy.Core;

/// <summary>Where several vectors of units find their numbers: those of several examples, or several of one example.</summary>
/// <remarks>
/// Pre-activations come in four blocks of units (<see cref="ICell"/>), a stride apart. The first state is the output h; the
/// second, of an LSTM, the cell c. Steps are floats from one place to the next.
/// </remarks>
internal unsafe ref struct CellPlace
{
    /// <summary>Most places that are handled at once.</summary>
    internal const int MaxCount = 16;

    /// <summary>Places, at most <see cref="MaxCount"/>.</summary>
    internal int Count;

    /// <summary>Pre-activations of block 0.</summary>
    internal float* Gates;

    /// <summary>Step of the pre-activations and their gradients.</summary>
    internal nint GateStride;

    /// <summary>Floats from block to block of the pre-activations, and from site to site of the gains.</summary>
    internal nint Block;

    /// <summary>Raw noise ξ of site 0; read if the cell reads noise.</summary>
    internal float* Noise;

    /// <summary>Floats from site to site of the noise, and its step.</summary>
    internal nint NoiseSite, NoiseStride;

    /// <summary>Gap gains of site 0; read if the cell reads p.</summary>
    internal float* Gains;

    internal nint GainStride;

    /// <summary>h and c before the step.</summary>
    internal float* HiddenBefore, CellBefore;

    /// <summary>h and c after the step: written by the forward pass, c read by the backward pass.</summary>
    internal float* Hidden, Cell;

    /// <summary>Step of the states and of what is carried.</summary>
    internal nint StateStride;

    /// <summary>Backward: gradient in h after the step.</summary>
    internal float* GradHidden;

    internal nint GradHiddenStride;

    /// <summary>Backward: what is carried to the step before apart from the product with the recurrent weights: the gradient
    /// in c, or the direct part of the gradient in h. Old content read, new content written.</summary>
    internal float* Carry;

    /// <summary>Backward: receives the gradients in the pre-activations, blocks as in <see cref="Gates"/>.</summary>
    internal float* GradGates;

    /// <summary>Backward: sums of the gradients in p, a row a site; added to.</summary>
    internal float* GradGains;

    internal nint GradGainStride;

    /// <summary>Room for φ, ∂φ/∂x and ∂φ/∂p of every site and place.</summary>
    internal float* Scratch;

    /// <summary>Moves on by as many places as are handled at once.</summary>
    internal void Advance()
    {
        Gates += MaxCount * GateStride;
        GradGates += MaxCount * GateStride;
        Noise += MaxCount * NoiseStride;
        Gains += MaxCount * GainStride;
        HiddenBefore += MaxCount * StateStride;
        CellBefore += MaxCount * StateStride;
        Hidden += MaxCount * StateStride;
        Cell += MaxCount * StateStride;
        Carry += MaxCount * StateStride;
        GradHidden += MaxCount * GradHiddenStride;
        GradGains += MaxCount * GradGainStride;
    }
}
