using System.Collections;
using Noisy.Core;
using TorchSharp;
using TorchSharp.PyBridge;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Weights in a file, of a model before or after its replacement: as torch's <c>save</c> writes them, PyTorch's, or safetensors.</summary>
internal static class SavedWeights
{
    /// <summary>Loads them; see <see cref="Noisify.Load"/>. Everything is read and checked before anything is changed.</summary>
    public static IReadOnlyList<string> Load(nn.Module root, string path)
    {
        using var scope = NewDisposeScope();
        var own = root.state_dict();
        var (tensors, metadata) = Read(path);
        var missing = own.Keys.Where(n => !tensors.ContainsKey(n)).ToList();
        List<string> problems = [];
        if (missing.Except(Added(root)).ToList() is { Count: > 0 } lost) problems.Add($"it lacks {string.Join(", ", lost)}");
        if (tensors.Keys.Where(n => !own.ContainsKey(n)).ToList() is { Count: > 0 } foreign) problems.Add($"the model has no {string.Join(", ", foreign)}");
        foreach (var (name, tensor) in tensors)
            if (own.TryGetValue(name, out var mine) && Misfit(tensor, mine) is { } misfit) problems.Add($"{name} is {misfit}");
        if (!is_inference_mode_enabled()
            && tensors.Keys.Where(n => own.TryGetValue(n, out var mine) && TorchInternals.IsInference(mine)).ToList() is { Count: > 0 } closed)
            throw new UsageException($"{path} cannot be loaded: {string.Join(", ", closed)} of the model: {TorchInternals.MadeInInference}. Nothing was loaded.");
        if (problems.Count > 0) throw new UsageException($"{path} has weights of another model: {string.Join("; ", problems)}. Nothing was loaded.");
        var (test, clocks) = (Test(path, metadata), Clocks(root));
        if (test.Scale is { } scale && clocks.Exists(c => c.Scale is null) && clocks.Find(c => c.Scale is { } its && its != scale) is { } other)
        {
            throw new UsageException(FormattableString.Invariant(
                $"{path} was written at the noise scale {scale}; one clock of the model has the scale {other.Scale}, another has none: ")
                + "give each its scale before loading, clock.Advance(update, scale). Nothing was loaded.");
        }

        using var _ = no_grad();
        foreach (var (name, tensor) in tensors) own[name].copy_(tensor);
        clocks.ForEach(clock => clock.Adopt(test));
        return missing;
    }

    /// <summary>Tensors by name, and what the file says of itself, which only safetensors do.</summary>
    private static (Dictionary<string, Tensor> Tensors, Dictionary<string, string> Metadata) Read(string path)
    {
        Span<byte> start = stackalloc byte[9];
        using (var file = File.OpenRead(path)) start = start[..file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        if (start.StartsWith("PK\x03\x04"u8)) return (ReadPickled(path), []);
        return start.EndsWith("\0\0\0{"u8) ? Safetensors.Read(path) : (ReadTorchSharps(path), []); // a header of less than 2^40 bytes, which is JSON
    }

    /// <summary>Mode and scale of the test that a run of this library wrote beside its weights; mean and no scale if it is another's file.</summary>
    private static NoiseContext Test(string path, Dictionary<string, string> metadata)
    {
        try
        {
            return ModelMetadata.IsOfRun(metadata) ? ModelMetadata.ReadTest(metadata) : NoiseContext.Test;
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{path}: {e.Message}", e);
        }
    }

    private static List<NoiseClock> Clocks(nn.Module root) =>
        [.. root.named_modules().Select(m => m.module).Prepend(root).OfType<INoisySites>().Select(site => site.Noise.Clock).Distinct()];

    /// <summary>What TorchSharp's <c>save</c> wrote.</summary>
    private static Dictionary<string, Tensor> ReadTorchSharps(string path)
    {
        try
        {
            return TorchSharpFile.Read(path);
        }
        catch (Exception e) when (IsOfContents(e))
        {
            throw new UsageException(
                $"{path} is no file of weights that torch's save wrote, nor PyTorch's since version 1.6, nor safetensors, or it is damaged "
                + $"({Reason(e)}). Nothing was loaded.", e);
        }
    }

    /// <summary>What Python's <c>torch.save(model.state_dict(), path)</c> wrote.</summary>
    private static Dictionary<string, Tensor> ReadPickled(string path)
    {
        Hashtable table;
        try
        {
            using var file = File.OpenRead(path);
            table = PyTorchUnpickler.UnpickleStateDict(file);
        }
        catch (Exception e) when (IsOfContents(e))
        {
            throw new UsageException(
                $"{path} cannot be read as PyTorch's weights ({Reason(e)}): write them with "
                + "torch.save({k: v.contiguous().clone() for k, v in model.state_dict().items()}, path), or as safetensors", e);
        }

        var entries = table.Cast<DictionaryEntry>().ToList();
        string[] others = [.. entries.Where(e => e is not { Key: string, Value: Tensor }).Select(e => $"'{e.Key}'").Order(StringComparer.Ordinal)];
        if (others.Length > 0)
        {
            throw new UsageException(
                $"{path} holds {string.Join(", ", others)}, which {(others.Length == 1 ? "is no tensor" : "are no tensors")}: "
                + "it is a checkpoint of more than weights; write the model's state_dict() alone with torch.save");
        }

        return entries.ToDictionary(e => (string)e.Key, e => (Tensor)e.Value!);
    }

    /// <summary>Whether an error is about what a file holds, and not about the file; the libraries have no exceptions of their own.</summary>
    private static bool IsOfContents(Exception e) => e is EndOfStreamException or not (IOException or UnauthorizedAccessException);

    /// <summary>The first line: libtorch adds its stack.</summary>
    private static string Reason(Exception e) => e.Message.Split('\n')[0].TrimEnd('.');

    /// <summary>Why a tensor cannot take a parameter's place without a loss; null if it can.</summary>
    private static string? Misfit(Tensor tensor, Tensor own)
    {
        if (!tensor.shape.SequenceEqual(own.shape)) return $"{Operand.Shape(tensor)}, the model's {Operand.Shape(own)}";
        return tensor.dtype == own.dtype || Wider(tensor.dtype).Contains(own.dtype) ? null
            : $"{tensor.dtype}, the model's {own.dtype}, which does not have all its numbers: convert the model or the file";
    }

    /// <summary>The other types that have every number of a type; sizes do not tell: of Float16 and BFloat16 neither has the other's.</summary>
    internal static ScalarType[] Wider(ScalarType type) => type switch
    {
        ScalarType.Bool => [ScalarType.Byte, ScalarType.Int8, .. Wider(ScalarType.Byte)],
        ScalarType.Byte or ScalarType.Int8 => [ScalarType.Int16, ScalarType.Float16, ScalarType.BFloat16, .. Wider(ScalarType.Int16)],
        ScalarType.Int16 => [ScalarType.Int32, ScalarType.Int64, ScalarType.Float32, ScalarType.Float64],
        ScalarType.Int32 => [ScalarType.Int64, ScalarType.Float64],
        ScalarType.Float16 or ScalarType.BFloat16 => [ScalarType.Float32, ScalarType.Float64],
        ScalarType.Float32 => [ScalarType.Float64],
        ScalarType.ComplexFloat32 => [ScalarType.ComplexFloat64],
        _ => [],
    };

    /// <summary>Names of what a replacement adds to a model: gap gains.</summary>
    private static HashSet<string> Added(nn.Module root)
    {
        HashSet<string> names = [];
        foreach (var (path, module) in root.named_modules().Prepend(("", root)))
        {
            if (module is not (NoisyActivation or IRecurrence)) continue;
            var prefix = path.Length == 0 ? "" : path + ".";
            foreach (var (name, _) in module.named_parameters())
                if (NoisifyReport.IsGain(name)) names.Add(prefix + name);
            foreach (var (name, _) in module.named_buffers()) names.Add(prefix + name);
        }

        return names;
    }
}
