namespace Noisy.Core;

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

    internal RecurrentTape(RecurrentDimensions size, int sites, bool hasCell, bool readsNoise, bool readsP, float[]? constants)
    {
        (Size, Sites) = (size, sites);
        long padded = size.Padded;
        long gates = size.Rows * Blocks * padded, states = (size.Rows + size.Batch) * padded, gains = readsP ? sites * padded : 0;
        var draws = readsNoise && constants is null;
        NoiseSite = draws ? ((long)size.Batch * size.Hidden + Padding.Lanes) / Padding.Lanes * Padding.Lanes : padded;
        NoiseStride = draws ? NoiseSite * sites : 0;
        NoiseRow = draws ? size.Hidden : 0;
        var noise = draws ? size.Steps * NoiseStride : sites * padded;
        buffer = BufferPool.Rent(gates + (states * (hasCell ? 2 : 1)) + gains + noise + (4 * Padding.Lanes));
        Gates = buffer.Start;
        Hidden = Gates + gates;
        Cell = hasCell ? Hidden + states : null;
        Gains = Hidden + (states * (hasCell ? 2 : 1));
        Noise = Gains + gains;
        for (var site = 0; site < constants?.Length; site++) new Span<float>(Noise + (site * padded), size.Padded).Fill(constants[site]);
    }

    internal RecurrentDimensions Size { get; }

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
