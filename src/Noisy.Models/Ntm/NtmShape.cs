using Noisy.Core;

namespace Noisy.Models;

/// <summary>Sizes of a Neural Turing Machine; defaults are decision 22's.</summary>
/// <param name="Inputs">Features I of an input, ≥ 1.</param>
/// <param name="Outputs">Logits O of a time step, ≥ 1.</param>
/// <param name="Controller">What controls it.</param>
/// <param name="Hidden">Units H of the controller, ≥ 1.</param>
/// <param name="MemoryRows">Rows N of the memory, ≥ 1.</param>
/// <param name="MemoryWidth">Width M of a row, ≥ 1.</param>
/// <param name="ReadHeads">Read heads R, ≥ 1.</param>
/// <param name="WriteHeads">Write heads W, ≥ 1.</param>
public sealed record NtmShape(
    int Inputs, int Outputs, NtmController Controller = NtmController.FeedForward, int Hidden = 100,
    int MemoryRows = 128, int MemoryWidth = 20, int ReadHeads = 1, int WriteHeads = 1)
{
    // Where a product of sizes would leave the range of what a tensor or an address may be.
    private const int Most = 1 << 16, MostHeads = 64;

    /// <summary>Heads, readers before writers.</summary>
    public int Heads => ReadHeads + WriteHeads;

    /// <summary>Numbers that the read heads give, R M.</summary>
    public int Reads => ReadHeads * MemoryWidth;

    /// <summary>What the controller sees: the input and the last reads, I + R M.</summary>
    public int ControllerInputs => Inputs + Reads;

    /// <summary>Numbers that the controller gives the heads: for each M + 6, and for a write head 2 M more.</summary>
    public int HeadOutputs => (Heads * (MemoryWidth + 6)) + (WriteHeads * 2 * MemoryWidth);

    /// <summary>Checks every rule.</summary>
    /// <returns>This shape.</returns>
    /// <exception cref="InvalidSpecException">A rule is broken; the message names each.</exception>
    public NtmShape Validate()
    {
        var broken = BrokenRules().ToList();
        return broken.Count == 0 ? this : throw new InvalidSpecException(broken);
    }

    /// <summary>One sentence for each broken rule.</summary>
    internal IEnumerable<string> BrokenRules()
    {
        if (!Enum.IsDefined(Controller)) yield return $"the controller {Controller} is unknown";
        (string Name, int Value, int Most)[] sizes =
        [
            ("inputs", Inputs, Most), ("outputs", Outputs, Most), ("hidden", Hidden, Most), ("memoryRows", MemoryRows, Most),
            ("memoryWidth", MemoryWidth, Most), ("readHeads", ReadHeads, MostHeads), ("writeHeads", WriteHeads, MostHeads),
        ];
        foreach (var (name, value, most) in sizes)
        {
            if (value < 1 || value > most) yield return $"{name} is {value}: must be in [1, {most}]";
        }
    }
}
