namespace Noisy.Core;

/// <summary>Sizes of a Neural Turing Machine and of a batch of sequences that it reads.</summary>
/// <param name="Steps">Time steps T, ≥ 1.</param>
/// <param name="Batch">Examples B, ≥ 1.</param>
/// <param name="Inputs">Features I of an input, ≥ 1.</param>
/// <param name="Outputs">Logits O of a step, ≥ 1.</param>
/// <param name="Hidden">Units H of the controller, ≥ 1.</param>
/// <param name="Slots">Rows N of the memory, ≥ 1.</param>
/// <param name="Width">Numbers M in a slot, ≥ 1.</param>
/// <param name="Readers">Read heads R, ≥ 1; they take their turns first.</param>
/// <param name="Writers">Write heads W, ≥ 1.</param>
internal readonly record struct NtmDimensions(
    int Steps, int Batch, int Inputs, int Outputs, int Hidden, int Slots, int Width, int Readers, int Writers)
{
    /// <summary>Where a head's parameters begin, after its key.</summary>
    internal const int Strength = 0, Gate = 1, Shift = 2, Sharpening = 5, Scalars = 6;

    internal int Heads => Readers + Writers;

    /// <summary>Rows of the whole batch: time step by time step, examples in their order.</summary>
    internal int Rows => Steps * Batch;

    /// <summary>Numbers that the read heads give.</summary>
    internal int Reads => Readers * Width;

    /// <summary>What the controller sees: the input and the last reads.</summary>
    internal int ControllerInputs => Inputs + Reads;

    /// <summary>Parameters of all heads: for each the key, strength, gate, three shifts and sharpening, and of a write head the
    /// erase and the add vector.</summary>
    internal int HeadOutputs => HeadStart(Heads);

    internal int PaddedHidden => Padding.RoundUp(Hidden);

    internal int PaddedControllerInputs => Padding.RoundUp(ControllerInputs);

    internal int PaddedHeads => Padding.RoundUp(HeadOutputs);

    internal int PaddedOutputs => Padding.RoundUp(Outputs);

    internal int PaddedSlots => Padding.RoundUp(Slots);

    internal int PaddedWidth => Padding.RoundUp(Width);

    /// <summary>Floats of a state of the memory: a row of slots for each number of a slot, and one for the inverse lengths.</summary>
    internal int MemoryLength => (Width + 1) * PaddedSlots;

    /// <summary>First parameter of a head.</summary>
    internal int HeadStart(int head) => (head * (Width + Scalars)) + (2 * Width * Math.Max(0, head - Readers));

    internal bool Writes(int head) => head >= Readers;
}
