namespace Noisy.Models;

/// <summary>A tensor in an ONNX graph.</summary>
/// <param name="Name">Its name in the graph.</param>
/// <param name="Axes">Each axis, outermost first: a number where the size is fixed, a name such as "batch" where it is free.</param>
public sealed record OnnxValue(string Name, IReadOnlyList<string> Axes)
{
    /// <summary>The same value, seen as one with another last axis.</summary>
    internal OnnxValue WithLast(long size) => this with { Axes = [.. Axes.SkipLast(1), OnnxGraph.Axis(size)] };
}
