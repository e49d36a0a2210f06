namespace Noisy.Core;

/// <summary>Contents of a safetensors file.</summary>
/// <param name="Tensors">The tensors of floating-point numbers, by name.</param>
/// <param name="Metadata">Text by name.</param>
/// <param name="Others">Names of the tensors of other numbers, which are not read (integers, and floating-point numbers of 8 bits or fewer), with
/// their types.</param>
public sealed record SafetensorsContent(
    IReadOnlyDictionary<string, FloatTensor> Tensors, IReadOnlyDictionary<string, string> Metadata, IReadOnlyDictionary<string, string> Others)
{
    /// <summary>A tensor by its name.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="InvalidDataException">There is none of that name, or its numbers are not floating-point.</exception>
    public FloatTensor Tensor(string name) => Tensors.TryGetValue(name, out var tensor)
        ? tensor
        : throw new InvalidDataException(Others.TryGetValue(name, out var type)
            ? $"its tensor '{name}' holds {type}, not floating-point numbers"
            : $"it has no tensor '{name}'");
}
