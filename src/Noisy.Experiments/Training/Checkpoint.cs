using System.Security.Cryptography;
using System.Text.Json;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>
/// Everything that an exact resume needs: weights, running values of the optimiser, carried state, the best weights if they
/// are kept, and <see cref="TrainState"/>, in one safetensors file with its SHA-256 beside it in the form that
/// <c>sha256sum -c</c> reads. The two newest are kept.
/// </summary>
/// <remarks>The noise key and the data position need no place: they follow from seed and update.</remarks>
internal static class Checkpoint
{
    private const string Extension = ".safetensors", ChecksumExtension = ".sha256", StateKey = "state";
    private const string FormatKey = "format", Format = "noisy-checkpoint-3";
    private const string ModelPrefix = "model.", OptimizerPrefix = "optimizer.", BestPrefix = "best.", CarriedPrefix = "carried.";
    private const int Kept = 2;

    /// <summary>Writes a checkpoint and removes all but the newest two.</summary>
    /// <param name="folder">The run's checkpoint folder; created if missing.</param>
    /// <param name="task">Model and carried state.</param>
    /// <param name="optimizer">Running values of the optimiser, by name.</param>
    /// <param name="best">The best weights so far; empty if none are kept.</param>
    /// <param name="state">Where the run stands.</param>
    /// <exception cref="IOException">It cannot be written; those that exist are untouched.</exception>
    public static void Save(
        string folder, ITrainingTask task, IReadOnlyDictionary<string, Tensor> optimizer, BestWeights best, TrainState state)
    {
        Directory.CreateDirectory(folder);
        var tensors = task.Model.state_dict().ToDictionary(t => ModelPrefix + t.Key, t => t.Value);
        foreach (var (name, tensor) in task.Carried) tensors[CarriedPrefix + name] = tensor;
        foreach (var (name, tensor) in optimizer) tensors[OptimizerPrefix + name] = tensor;
        foreach (var (name, tensor) in best.Tensors) tensors[BestPrefix + name] = tensor;
        var metadata = new Dictionary<string, string> { [StateKey] = JsonSerializer.Serialize(state, ConfigJson.Line), [FormatKey] = Format };

        // An update is saved before and after its evaluation: two names, so that neither is ever half of each.
        var path = Path.Combine(folder, $"{state.Update:D9}-{state.Evaluations:D5}{Extension}");
        var hash = AtomicFile.WriteHashed(path, stream => Safetensors.Write(stream, tensors, metadata));

        // The checksum comes last: a checkpoint without one is not yet a checkpoint.
        AtomicFile.Write(path + ChecksumExtension, $"{hash}  {Path.GetFileName(path)}\n");
        // One of a later update belongs to a future that was lost: damaged, or it would have been the start of this one. One
        // without a checksum was never finished.
        var kept = Files(folder).Where(f => string.CompareOrdinal(f, path) <= 0).Take(Kept).ToHashSet();
        foreach (var old in Directory.GetFiles(folder, "*" + Extension).Where(f => !kept.Contains(f)))
        {
            AtomicFile.TryDelete(old + ChecksumExtension);
            AtomicFile.TryDelete(old);
        }

        foreach (var leftover in Directory.EnumerateFiles(folder, "*.tmp")) AtomicFile.TryDelete(leftover);
    }

    /// <summary>Whether there is a checkpoint whose checksum is right.</summary>
    /// <param name="folder">The run's checkpoint folder; need not exist.</param>
    internal static bool HasSound(string folder) => Directory.Exists(folder) && Files(folder).Any(IsSound);

    /// <summary>Puts the newest sound checkpoint back.</summary>
    /// <param name="folder">The run's checkpoint folder; need not exist.</param>
    /// <param name="task">Receives weights and carried state.</param>
    /// <param name="optimizer">Receives the optimiser's running values.</param>
    /// <param name="best">Receives the best weights, if any are kept.</param>
    /// <param name="warn">Told of each checkpoint that is damaged and passed over.</param>
    /// <returns>The state, or null if there is no checkpoint at all.</returns>
    /// <exception cref="UsageException">There are checkpoints, but every one is damaged, or another version wrote them, or they are of another
    /// model.</exception>
    public static TrainState? Load(
        string folder, ITrainingTask task, IReadOnlyDictionary<string, Tensor> optimizer, BestWeights best, Action<string> warn)
    {
        if (!Directory.Exists(folder)) return null;
        var damaged = 0;
        foreach (var path in Files(folder))
        {
            try
            {
                return Load(path, task, optimizer, best);
            }
            catch (Exception e) when (e is InvalidDataException or IOException or JsonException or KeyNotFoundException or UnauthorizedAccessException)
            {
                damaged++;
                warn($"checkpoint {path} is damaged and passed over ({e.Message})");
            }
        }

        return damaged == 0 ? null : throw new UsageException(
            $"every checkpoint in {folder} is damaged; delete the run's folder to start it again");
    }

    private static TrainState Load(string path, ITrainingTask task, IReadOnlyDictionary<string, Tensor> optimizer, BestWeights best)
    {
        if (!HasItsChecksum(path)) throw new InvalidDataException("its checksum is wrong");
        using var scope = NewDisposeScope();
        var (tensors, metadata) = Safetensors.Read(path);
        if (metadata.GetValueOrDefault(FormatKey) is var format && format != Format)
            throw new UsageException($"checkpoint {path} has the form '{format}', this version of Noisy reads '{Format}': continue with the version that wrote it, or delete the run's folder to start it again");
        var state = ConfigJson.Parse<TrainState>(metadata[StateKey]);
        using var _ = no_grad();
        var (model, saved, running) = (task.Model.state_dict(), Part(ModelPrefix), Part(OptimizerPrefix));
        if ((ModelDifference.Find(saved, model) ?? ModelDifference.Find(running, optimizer)) is { } difference)
            throw new UsageException(
                $"checkpoint {path} belongs to a different model than the experiment builds now ({difference}): name another folder with --out, or delete the run's to start it again");
        Copy(saved, model);
        Copy(running, optimizer);
        task.Restore(Part(CarriedPrefix));
        best.Capture(Part(BestPrefix));
        return state;

        static void Copy(Dictionary<string, Tensor> stored, IReadOnlyDictionary<string, Tensor> targets)
        {
            foreach (var (name, target) in targets)
            {
                using var source = stored[name].to(target.device);
                target.copy_(source);
            }
        }

        Dictionary<string, Tensor> Part(string prefix) => tensors.Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(t => t.Key[prefix.Length..], t => t.Value);
    }

    private static bool IsSound(string path)
    {
        try
        {
            return HasItsChecksum(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool HasItsChecksum(string path)
    {
        var expected = File.ReadAllText(path + ChecksumExtension).Split(' ')[0];
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream)) == expected;
    }

    private static IEnumerable<string> Files(string folder) =>
        Directory.GetFiles(folder, "*" + Extension).Where(f => File.Exists(f + ChecksumExtension)).OrderDescending(StringComparer.Ordinal);
}
