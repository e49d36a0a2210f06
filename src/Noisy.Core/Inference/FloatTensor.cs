namespace Noisy.Core;

/// <summary>Single-precision numbers with a name and a shape, in row order.</summary>
/// <param name="Name">Name in the file, such as <c>lstm.weight_ih_l0</c>.</param>
/// <param name="Shape">Sizes; empty for a single number.</param>
/// <param name="Values">As many as the product of the sizes; the last size runs fastest.</param>
public sealed record FloatTensor(string Name, IReadOnlyList<int> Shape, float[] Values)
{
    /// <summary>The name and the shape, such as <c>decoder_bias [10000]</c>.</summary>
    public override string ToString() => $"{Name} [{string.Join(", ", Shape)}]";

    /// <summary>This tensor, if it has a shape.</summary>
    /// <param name="shape">The sizes that it must have.</param>
    /// <exception cref="InvalidDataException">It has another shape; the message names both.</exception>
    internal FloatTensor WithShape(params int[] shape) => Shape.SequenceEqual(shape)
        ? this
        : throw new InvalidDataException($"the tensor {this} should be [{string.Join(", ", shape)}]: these are weights of another model");
}
