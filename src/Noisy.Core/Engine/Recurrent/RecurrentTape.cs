namespace Noisy.Core;

/// <summary>What a layer's forward pass leaves for its backward pass.</summary>
/// <remarks>
/// Gate pre-activations and raw noise are kept, activations are recomputed: that is less memory than keeping the values and
/// slopes of every site, and no slower.
/// </remarks>
internal sealed unsafe class RecurrentTape : Tape
{
    /// <summary>Blocks of units a row of <see cref="Gates"/> has.</summary>
    internal const int Blocks = 4;

    internal RecurrentTape(RecurrentDimensions size, int sites, bool hasCell, bool readsNoise, bool readsP, float[]? constants)
    {
        Size = size;
        long padded = size.Padded;
        long gates = size.Rows * Blocks * padded, states = (size.Rows + size.Batch) * padded, gains = readsP ? sites * padded : 0;
        var draws = readsNoise && constants is null;
        NoiseSite = draws ? ((long)size.Batch * size.Hidden + Padding.Lanes) / Padding.Lanes * Padding.Lanes : padded;
        NoiseStride = draws ? NoiseSite * sites : 0;
        NoiseRow = draws ? size.Hidden : 0;
        var noise = draws ? size.Steps * NoiseStride : sites * padded;
        var parts = Rent(gates + (states * (hasCell ? 2 : 1)) + gains + noise + (4 * Padding.Lanes));
        Gates = parts.Take(gates);
        Hidden = parts.Take(states);
        Cell = hasCell ? parts.Take(states) : null;
        Gains = parts.Take(gains);
        Noise = parts.Take(noise);
        for (var site = 0; site < constants?.Length; site++) new Span<float>(Noise + (site * padded), size.Padded).Fill(constants[site]);
    }

    internal RecurrentDimensions Size { get; }

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
}
