using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A module that knows its form in ONNX: what lets <see cref="OnnxExport"/> take a module of one's own.</summary>
/// <example>
/// <code>
/// public OnnxValue ToOnnx(OnnxGraph graph, OnnxValue input) => graph.Apply(readout, graph.Apply(lstm, input));
/// </code></example>
public interface IOnnxModule
{
    /// <summary>Adds to a graph what the module computes at test time.</summary>
    /// <param name="graph">The graph; its noise is that of the export.</param>
    /// <param name="input">The module's input.</param>
    /// <returns>The module's output.</returns>
    OnnxValue ToOnnx(OnnxGraph graph, OnnxValue input);
}
