using Noisy.Core;
using Noisy.Models;
using TorchSharp;

namespace Noisy.Experiments;

/// <summary>The <c>model.onnx</c> of a run that is done: the model that was tested, with the test's noise.</summary>
internal static class ExportedOnnx
{
    /// <summary>Makes sure, before anything is trained, that a run's model has a form in ONNX.</summary>
    /// <param name="model">The run's model.</param>
    /// <param name="config">The run's config.</param>
    /// <exception cref="UsageException">It has none; the message names the part.</exception>
    internal static void Check(torch.nn.Module model, RunConfig config) =>
        OnnxExport.Write(model, Stream.Null, noise: new NoiseContext(config.Training.TestNoise));

    /// <summary>Writes the file, with all that the weights' file says of itself, such as the vocabulary.</summary>
    /// <param name="folder">The run's folder, which has weights.</param>
    /// <param name="model">The model with the weights that were tested.</param>
    internal static void Write(string folder, torch.nn.Module model)
    {
        using var weights = File.OpenRead(Path.Combine(folder, "weights.safetensors"));
        var metadata = SafetensorsHeader.Read(weights).Metadata;
        var test = ModelMetadata.ReadTest(metadata);
        AtomicFile.Write(Path.Combine(folder, "model.onnx"), stream => OnnxExport.Write(model, stream, noise: test, metadata: metadata));
    }
}
