namespace Noisy.Core;

/// <summary>What the forward pass leaves for the backward pass: every input and state of the controller, each head's turn, and
/// each state of the memory, since an erasure cannot be undone.</summary>
internal sealed unsafe class NtmTape : Tape
{
    private readonly float* turns, memories;

    internal NtmTape(NtmDimensions size, int gates, int sites, bool hasCell, bool readsNoise, bool readsP, float[]? constants)
    {
        Size = size;
        Blocks = gates;
        long rows = size.Rows, states = (rows + size.Batch) * size.PaddedHidden;
        var draws = readsNoise && constants is null;
        NoiseSite = draws ? Padding.RoundUp(size.Batch * size.Hidden) : size.PaddedHidden;
        NoiseStride = draws ? NoiseSite * sites : 0;
        NoiseRow = draws ? size.Hidden : 0;
        long controllerInput = (rows + size.Batch) * size.PaddedControllerInputs, gain = readsP ? sites * size.PaddedHidden : 0;
        var noise = draws ? size.Steps * (long)NoiseStride : sites * size.PaddedHidden;
        long turn = rows * size.Heads * HeadTurn.Length(size), attention = size.Heads * size.PaddedSlots;
        var parts = Rent(
            controllerInput + (rows * (GateRow + size.PaddedHeads)) + (states * (hasCell ? 2 : 1)) + gain + noise + turn + attention
            + ((long)size.Batch * MemoryStates * size.MemoryLength));
        ControllerInput = parts.Take(controllerInput);
        Gates = parts.Take(rows * GateRow);
        Hidden = parts.Take(states);
        Cell = parts.Take(hasCell ? states : 0);
        Heads = parts.Take(rows * size.PaddedHeads);
        Gains = parts.Take(gain);
        Noise = parts.Take(noise);
        turns = parts.Take(turn);
        StartAttention = parts.Take(attention);
        memories = parts.Take((long)size.Batch * MemoryStates * size.MemoryLength);
        for (var site = 0; site < constants?.Length; site++)
            new Span<float>(Noise + (site * NoiseSite), size.PaddedHidden).Fill(constants[site]);
    }

    internal NtmDimensions Size { get; }

    /// <summary>Blocks of units of the pre-activations.</summary>
    internal int Blocks { get; }

    /// <summary>What the controller sees, [T + 1, B, padded I + R M]: the input of the time step and the reads of the last one.</summary>
    internal float* ControllerInput { get; }

    /// <summary>Pre-activations of the controller [T B, blocks, padded H].</summary>
    internal float* Gates { get; }

    /// <summary>States of the controller [T + 1, B, padded H]: the first is the initial one.</summary>
    internal float* Hidden { get; }

    /// <summary>As <see cref="Hidden"/>; empty if the controller has no second state.</summary>
    internal float* Cell { get; }

    /// <summary>Pre-activations of the heads [T B, padded head outputs].</summary>
    internal float* Heads { get; }

    /// <summary>Gap gains [sites, padded H].</summary>
    internal float* Gains { get; }

    /// <summary>Raw noise [T, sites, B H], or [sites, padded H] if it is constant.</summary>
    internal float* Noise { get; }

    /// <summary>Floats from step to step, site to site, example to example of the noise.</summary>
    internal int NoiseStride { get; }

    internal int NoiseSite { get; }

    internal int NoiseRow { get; }

    /// <summary>Attention before the first time step, [heads, padded N].</summary>
    internal float* StartAttention { get; }

    private int MemoryStates => (Size.Steps * Size.Writers) + 1;

    internal int GateRow => Blocks * Size.PaddedHidden;

    /// <summary>A head's turn.</summary>
    /// <param name="row">Row of the batch, t B + b.</param>
    /// <param name="head">Which head.</param>
    internal HeadTurn Turn(int row, int head) => new(turns + ((((nint)row * Size.Heads) + head) * HeadTurn.Length(Size)), Size);

    /// <summary>A head's attention before a time step.</summary>
    internal float* AttentionBefore(int row, int head) =>
        row < Size.Batch ? StartAttention + (head * Size.PaddedSlots) : Turn(row - Size.Batch, head).Attention;

    /// <summary>An example's memory after so many writes.</summary>
    internal float* Memory(int example, int writes) => memories + ((((nint)example * MemoryStates) + writes) * Size.MemoryLength);
}
