namespace Noisy.Core;

/// <summary>Sizes of one layer in one direction.</summary>
/// <param name="Steps">Time steps T, ≥ 1.</param>
/// <param name="Batch">Examples B, ≥ 1.</param>
/// <param name="Inputs">Features I of an input, ≥ 1.</param>
/// <param name="Hidden">Units H, ≥ 1.</param>
/// <param name="Backwards">Whether time runs from T − 1 down to 0.</param>
internal readonly record struct RecurrentSize(int Steps, int Batch, int Inputs, int Hidden, bool Backwards)
{
    /// <summary>Widest vector, in floats; rows of units are padded to a multiple.</summary>
    internal const int Lanes = 16;

    /// <summary>Units with padding.</summary>
    internal int Padded => (Hidden + Lanes - 1) / Lanes * Lanes;

    /// <summary>Rows of the whole sequence.</summary>
    internal int Rows => Steps * Batch;

    /// <summary>The time step that is handled as number i.</summary>
    internal int StepAt(int i) => Backwards ? Steps - 1 - i : i;
}

/// <summary>Where the raw noise ξ of a layer comes from.</summary>
/// <param name="Layer">Key of the layer; site s draws from child s.</param>
/// <param name="Update">Optimiser update.</param>
/// <param name="FirstStep">Time step of the sequence's first element.</param>
/// <param name="Constants">What stands for every draw of a site; null draws.</param>
internal readonly record struct RecurrentNoise(NoiseKey Layer, long Update, int FirstStep, float[]? Constants);

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

/// <summary>Results of a layer.</summary>
internal unsafe struct RecurrentOutputs
{
    /// <summary>[T B, H].</summary>
    internal float* Output;

    /// <summary>Final states [B, H]; null if not wanted.</summary>
    internal float* Hidden, Cell;
}

/// <summary>A place for a gradient.</summary>
internal unsafe struct GradientTarget
{
    /// <summary>First float; null if the gradient is not wanted.</summary>
    internal float* At;

    /// <summary>Whether the gradient is added to what is there.</summary>
    internal bool Add;

    /// <summary>The same place, some floats on.</summary>
    internal readonly GradientTarget From(int offset) => new() { At = At == null ? null : At + offset, Add = Add };

    /// <summary>Puts an element of the gradient there; nothing if it is not wanted.</summary>
    internal readonly void Put(int i, float value)
    {
        if (At != null) At[i] = Add ? At[i] + value : value;
    }
}

/// <summary>Gradients that come from above (null means zeros) and those that are asked for.</summary>
internal unsafe struct RecurrentGradients
{
    /// <summary>From above: in the output [T B, H] and in the final states [B, H].</summary>
    internal float* Output, HiddenEnd, CellEnd;

    /// <summary>Asked for, shaped as the values in <see cref="RecurrentInputs"/>.</summary>
    internal GradientTarget WeightIh, WeightHh, BiasIh, BiasHh, Gains;

    /// <summary>Asked for and overwritten; null if not wanted.</summary>
    internal float* Input, Hidden, Cell;
}

/// <summary>What a layer's forward pass leaves for its backward pass.</summary>
/// <remarks>
/// Gate pre-activations and raw noise are kept, activations are recomputed: that is less memory than keeping the values and
/// slopes of every site, and no slower.
/// </remarks>
internal sealed unsafe class RecurrentTape : IDisposable
{
    /// <summary>Blocks of units a row of <see cref="Gates"/> has.</summary>
    internal const int Blocks = 4;

    private NativeBuffer? buffer;

    internal RecurrentTape(RecurrentSize size, int sites, bool hasCell, bool readsNoise, bool readsP, float[]? constants)
    {
        (Size, Sites) = (size, sites);
        long padded = size.Padded;
        long gates = size.Rows * Blocks * padded, states = (size.Rows + size.Batch) * padded, gains = readsP ? sites * padded : 0;
        var draws = readsNoise && constants is null;
        NoiseSite = draws ? ((long)size.Batch * size.Hidden + RecurrentSize.Lanes) / RecurrentSize.Lanes * RecurrentSize.Lanes : padded;
        NoiseStride = draws ? NoiseSite * sites : 0;
        NoiseRow = draws ? size.Hidden : 0;
        var noise = draws ? size.Steps * NoiseStride : sites * padded;
        buffer = BufferPool.Rent(gates + (states * (hasCell ? 2 : 1)) + gains + noise + (4 * RecurrentSize.Lanes));
        Gates = buffer.Start;
        Hidden = Gates + gates;
        Cell = hasCell ? Hidden + states : null;
        Gains = Hidden + (states * (hasCell ? 2 : 1));
        Noise = Gains + gains;
        for (var site = 0; site < constants?.Length; site++) new Span<float>(Noise + (site * padded), size.Padded).Fill(constants[site]);
    }

    internal RecurrentSize Size { get; }

    internal int Sites { get; }

    /// <summary>Pre-activations [T B, blocks, padded H].</summary>
    internal float* Gates { get; }

    /// <summary>States [T + 1, B, padded H] in the order of computation: the first is the initial one.</summary>
    internal float* Hidden { get; }

    /// <summary>As <see cref="Hidden"/>; null if the cell has one state.</summary>
    internal float* Cell { get; }

    /// <summary>[sites, padded H].</summary>
    internal float* Gains { get; }

    /// <summary>[T, sites, B H], or [sites, padded H] if the noise is constant.</summary>
    internal float* Noise { get; }

    /// <summary>Floats from step to step, site to site, example to example of the noise.</summary>
    internal long NoiseStride { get; }

    internal long NoiseSite { get; }

    internal int NoiseRow { get; }

    /// <summary>Gives the memory back. Where nobody calls this, the buffer's own finaliser frees it: one here could hand on a
    /// buffer that is being freed.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref buffer, null) is { } owned) BufferPool.Return(owned);
    }
}
