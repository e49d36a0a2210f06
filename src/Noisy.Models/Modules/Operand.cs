using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Checks of what a caller passes, in words that say what it is, what it must be and what to do.</summary>
internal static class Operand
{
    /// <summary>A shape as messages show it.</summary>
    internal static string Shape(Tensor tensor) => $"[{string.Join(", ", tensor.shape)}]";

    /// <summary>Half, bfloat16, single or double precision.</summary>
    /// <exception cref="ArgumentException">It is of another type.</exception>
    internal static void Floating(Tensor tensor, string name)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (!IsFloating(tensor.dtype))
            throw new ArgumentException($"{name} is {tensor.dtype}: must be of a floating-point type; convert it with to_type", name);
    }

    /// <summary>Of the type of the weights, as torch has it: nothing is converted silently.</summary>
    /// <exception cref="ArgumentException">It is of another type.</exception>
    internal static void Like(Tensor weights, Tensor? tensor, string name) => Like(weights, tensor, name, name);

    /// <summary>A recurrent state: of this shape, and of the type of the weights.</summary>
    /// <exception cref="ArgumentException">It is of another shape or type.</exception>
    internal static void State(Tensor weights, Tensor state, string name, params long[] shape)
    {
        if (!state.shape.SequenceEqual(shape))
            throw new ArgumentException($"a state is {Shape(state)}: must be [{string.Join(", ", shape)}]", name);
        Like(weights, state, "a state", name);
    }

    /// <summary>Of exactly this shape.</summary>
    /// <exception cref="ArgumentException">It is of another shape.</exception>
    internal static void Sized(Tensor tensor, string name, params long[] shape)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (!tensor.shape.SequenceEqual(shape))
            throw new ArgumentException($"{name} is {Shape(tensor)}: must be [{string.Join(", ", shape)}]", name);
    }

    private static void Like(Tensor weights, Tensor? tensor, string what, string name)
    {
        if (tensor is null || tensor.dtype == weights.dtype) return;
        throw new ArgumentException(
            $"{what} is {tensor.dtype}, the weights are {weights.dtype}: convert it with to_type, or the module with to", name);
    }

    private static bool IsFloating(ScalarType type) =>
        type is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64;
}
