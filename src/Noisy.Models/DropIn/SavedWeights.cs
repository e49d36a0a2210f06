using System.Collections;
using TorchSharp;
using TorchSharp.PyBridge;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Weights in a file, of a model before or after its replacement: as torch's <c>save</c> writes them, PyTorch's, or safetensors.</summary>
internal static class SavedWeights
{
    /// <summary>Loads them; see <see cref="Noisify.Load"/>.</summary>
    public static IReadOnlyList<string> Load(nn.Module root, string path)
    {
        using var scope = NewDisposeScope();
        var own = root.state_dict();
        var tensors = Read(path);
        Dictionary<string, bool> saved = tensors?.Keys.ToDictionary(n => n, own.ContainsKey) ?? [];
        if (tensors is null) ReadNames(root, path, saved);
        var added = Added(root);
        var missing = own.Keys.Where(n => !saved.ContainsKey(n)).ToList();
        List<string> problems = [];
        if (missing.Except(added).ToList() is { Count: > 0 } lost) problems.Add($"it lacks {string.Join(", ", lost)}");
        if (saved.Where(s => !s.Value).Select(s => s.Key).ToList() is { Count: > 0 } foreign)
            problems.Add($"the model has no {string.Join(", ", foreign)}");
        foreach (var (name, tensor) in tensors ?? [])
            if (own.TryGetValue(name, out var mine) && Misfit(tensor, mine) is { } misfit) problems.Add($"{name} is {misfit}");
        if (problems.Count > 0) throw new UsageException($"{path} has weights of another model: {string.Join("; ", problems)}. Nothing was loaded.");
        if (tensors is null)
        {
            root.load(path, strict: false);
            return missing;
        }

        using var _ = no_grad();
        foreach (var (name, tensor) in tensors) own[name].copy_(tensor);
        return missing;
    }

    /// <summary>Tensors by name; null if the file is of torch's own format, or of none.</summary>
    private static Dictionary<string, Tensor>? Read(string path)
    {
        Span<byte> start = stackalloc byte[9];
        using (var file = File.OpenRead(path)) start = start[..file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        if (start.StartsWith("PK\x03\x04"u8)) return ReadPickled(path);
        return start.EndsWith("\0\0\0{"u8) ? Safetensors.Read(path).Tensors : null; // a header of less than 2^40 bytes, which is JSON
    }

    /// <summary>Which tensors a file of torch's own format has, and whether the model has them too.</summary>
    private static void ReadNames(nn.Module root, string path, Dictionary<string, bool> saved)
    {
        try
        {
            root.load(path, strict: false, skip: root.state_dict().Keys.ToList(), loadedParameters: saved);
        }
        catch (Exception e) when (IsOfContents(e))
        {
            throw new UsageException(
                $"{path} is no file of weights that torch's save wrote, nor PyTorch's since version 1.6, nor safetensors ({Reason(e)})", e);
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
        var narrows = tensor.element_size() > own.element_size();
        return narrows ? $"{tensor.dtype}, the model's {own.dtype}, which would round it: convert the model or the file" : null;
    }

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
