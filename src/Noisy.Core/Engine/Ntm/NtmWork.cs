namespace Noisy.Core;

/// <summary>Memory of one backward pass.</summary>
internal sealed unsafe class NtmWork<V> : IDisposable
    where V : struct, ILanes<V>
{
    private readonly NativeBuffer buffer;
    private readonly NtmDimensions size;
    private readonly float* memories, attentions, own;
    private readonly int ownLength;

    internal NtmWork(NtmDimensions size, int gates, int sites, bool hasCell, bool readsP, int scratch, int members)
    {
        this.size = size;
        ReadRow = Padding.RoundUp(size.Reads);
        ownLength = HeadGradients.Length(size) + Addressing.RoomLength(size) + LinearMap<V>.EdgeLength + scratch;
        long batch = size.Batch, hidden = batch * size.PaddedHidden;

        // What carries from step to step comes first: it starts from zeros.
        var carried = (batch * ((size.Width * size.PaddedSlots) + (size.Heads * size.PaddedSlots) + size.PaddedControllerInputs))
            + hidden + (hasCell ? hidden : 0) + (readsP ? sites * hidden : 0);
        buffer = BufferPool.Rent(
            carried + (batch * ReadRow) + ((long)size.Rows * ((gates * size.PaddedHidden) + size.PaddedHeads + size.PaddedOutputs))
            + ((long)members * ownLength));
        var parts = new BufferParts(buffer.Start);
        memories = parts.Take(batch * size.Width * size.PaddedSlots);
        attentions = parts.Take(batch * size.Heads * size.PaddedSlots);
        ControllerInput = parts.Take(batch * size.PaddedControllerInputs);
        Hidden = parts.Take(hidden);
        Cell = parts.Take(hasCell ? hidden : 0);
        Gains = parts.Take(readsP ? sites * hidden : 0);
        new Span<float>(buffer.Start, checked((int)carried)).Clear();
        Reads = parts.Take(batch * ReadRow);
        Gates = parts.Take((long)size.Rows * gates * size.PaddedHidden);
        Heads = parts.Take((long)size.Rows * size.PaddedHeads);
        Logits = parts.Take((long)size.Rows * size.PaddedOutputs);
        own = parts.Take((long)members * ownLength);
    }

    /// <summary>Gradient in what the controller saw in the step that came last [B, padded I + R M].</summary>
    internal float* ControllerInput { get; }

    /// <summary>Gradient in the controller's output [B, padded H], and in its second state.</summary>
    internal float* Hidden { get; }

    internal float* Cell { get; }

    /// <summary>Gradients in the gains [B, sites, padded H].</summary>
    internal float* Gains { get; }

    /// <summary>Gradient in the reads [B, <see cref="ReadRow"/>].</summary>
    internal float* Reads { get; }

    internal int ReadRow { get; }

    /// <summary>Gradients in the controller's pre-activations [T B, blocks, padded H] and in the heads' numbers [T B, padded].</summary>
    internal float* Gates { get; }

    internal float* Heads { get; }

    /// <summary>Gradients in the logits [T B, padded O]: whole vectors are read from them.</summary>
    internal float* Logits { get; }

    public void Dispose() => BufferPool.Return(buffer);

    /// <summary>Gradient in an example's memory, laid out as a state without its lengths.</summary>
    internal float* Memory(int example) => memories + ((nint)example * size.Width * size.PaddedSlots);

    /// <summary>Gradient in the attention of a head after the step in hand.</summary>
    internal float* Attention(int example, int head) => attentions + ((((nint)example * size.Heads) + head) * size.PaddedSlots);

    /// <summary>A member's own room: gradients in a head's parameters, rows of slots, an edge of a matrix, gate arithmetic.</summary>
    internal HeadGradients Own(int member) => new(own + ((nint)member * ownLength), size);

    internal float* Room(int member) => own + ((nint)member * ownLength) + HeadGradients.Length(size);

    internal float* Edge(int member) => Room(member) + Addressing.RoomLength(size);

    internal float* Scratch(int member) => Edge(member) + LinearMap<V>.EdgeLength;
}
