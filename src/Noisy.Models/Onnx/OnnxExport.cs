using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Writes a trained model's test-time form as an ONNX file, which ONNX Runtime runs from Python, C# and a dozen other languages.</summary>
/// <remarks>
/// <para>Of this library: <see cref="NoisyActivation"/>, <see cref="NoisyMlp"/>, <see cref="NoisyLstm"/>, <see cref="NoisyGru"/> and their cells,
/// <see cref="RecurrentLanguageModel"/>, <see cref="MeanPoolClassifier"/>. Of torch: Sequential, Linear, Embedding, LayerNorm, Flatten, Tanh,
/// Sigmoid, ReLU, Softmax, Dropout, Identity. Modules of one's own: <see cref="IOnnxModule"/>. Hooks are refused.</para>
/// <para>Inputs and outputs: layers and cells take <c>input</c>, <c>hidden</c> and, of an LSTM, <c>cell</c>, and give <c>output</c> (layers),
/// <c>new_hidden</c>, <c>new_cell</c>. A language model takes <c>tokens</c>, int64 [time, batch], and states, and gives <c>logits</c>, not
/// normalised, and states. All else takes <c>input</c> and gives <c>output</c>. Sizes named "batch" and "time" are free.</para>
/// <para>Precision: single. Opset 17, IR version 8.</para>
/// </remarks>
/// <example>
/// <code>
/// OnnxExport.Save(lstm, "lstm.onnx");
/// OnnxExport.Save(model, "model.onnx", axes: ["time", "batch", "3"]);
/// </code></example>
public static class OnnxExport
{
    private const int IrVersion = 8, Opset = 17;

    /// <summary>Writes a model to a file.</summary>
    /// <param name="model">The model, in single precision; its mode does not matter, nor does its device.</param>
    /// <param name="path">The file.</param>
    /// <param name="axes">Axes of the first input, a number where the size is fixed and a name where it is free; null takes
    /// [time, batch, features] (or batch first) for a model with recurrent layers, [time, batch] if it begins with an embedding, else
    /// [batch, features]. An input that an embedding takes is int64.</param>
    /// <param name="noise">What to do with noise: <see cref="NoiseMode.Mean"/>, <see cref="NoiseMode.ExactMean"/> or <see cref="NoiseMode.Off"/>, at
    /// which scale; null does what each module does in <c>eval()</c>, as its clock stands.</param>
    /// <param name="metadata">Text by name to go along, such as a vocabulary.</param>
    /// <exception cref="UsageException">A part of the model has no ONNX form, is not in single precision, or is too large for a file; the
    /// message names it. Or <paramref name="axes"/> does not fit the model. Nothing is written.</exception>
    /// <exception cref="ArgumentException">The noise is to be sampled.</exception>
    /// <exception cref="IOException">The file cannot be written; one that was there stays as it is.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    public static void Save(
        nn.Module model, string path, IReadOnlyList<string>? axes = null, NoiseContext? noise = null,
        IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        var message = Message(model, axes, noise, metadata);

        // Beside the file and then renamed over it: where the disk is full, the file that was there stays whole.
        var target = (File.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName : null) ?? path;
        var temporary = $"{target}.{Guid.NewGuid():N}.tmp";
        try
        {
            using var file = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.Delete);
            file.Write(message.Content.Span);
            file.Flush(flushToDisk: true);
            SharedFile.Replace(file, target);
        }
        catch
        {
            try
            {
                File.Delete(temporary);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // What went wrong first is what is told.
            }

            throw;
        }
    }

    /// <summary>Writes a model to a stream.</summary>
    /// <param name="model">The model, in single precision; its mode does not matter, nor does its device.</param>
    /// <param name="stream">Receives the bytes.</param>
    /// <param name="axes">Axes of the first input, as in <see cref="Save"/>.</param>
    /// <param name="noise">What to do with noise, as in <see cref="Save"/>.</param>
    /// <param name="metadata">Text by name to go along.</param>
    /// <exception cref="UsageException">A part of the model has no ONNX form, is not in single precision, or is too large for a file; the
    /// message names it. Or <paramref name="axes"/> does not fit the model. Nothing is written.</exception>
    /// <exception cref="ArgumentException">The noise is to be sampled.</exception>
    public static void Write(
        nn.Module model, Stream stream, IReadOnlyList<string>? axes = null, NoiseContext? noise = null,
        IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        stream.Write(Message(model, axes, noise, metadata).Content.Span);
    }

    private static ProtoMessage Message(
        nn.Module model, IReadOnlyList<string>? axes, NoiseContext? noise, IReadOnlyDictionary<string, string>? metadata)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (noise is { IsTraining: true })
            throw new ArgumentException("noise that is sampled is no part of an exported model: take its mean, or switch it off", nameof(noise));
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var graph = new OnnxGraph(model, noise);
        OnnxModules.Export(graph, model, axes);
        return new ProtoMessage().Add(1, IrVersion).Add(2, "Noisy").Add(3, NoisyVersion.Current).Add(7, graph.ToMessage(model.GetName()))
            .Add(8, new ProtoMessage().Add(1, "").Add(2, Opset))
            .AddAll((metadata ?? new Dictionary<string, string>()).OrderBy(m => m.Key, StringComparer.Ordinal), (m, entry) =>
                m.Add(14, new ProtoMessage().Add(1, entry.Key).Add(2, entry.Value)));
    }
}
