using System.Security.Cryptography;
using Noisy.Models;
using TorchSharp;

namespace Noisy.Experiments;

/// <summary>The <c>weights.safetensors</c> of a run that is done, compared with what its summary says of them.</summary>
internal static class ExportedWeights
{
    /// <summary>Gives a model the weights that were tested, if the file holds them.</summary>
    /// <param name="path">The file.</param>
    /// <param name="summary">The run's summary.</param>
    /// <param name="model">The run's model.</param>
    /// <returns>What is wrong with the file; null if nothing is.</returns>
    /// <exception cref="UsageException">The file is sound, but of another model.</exception>
    internal static string? Load(string path, RunSummary summary, torch.nn.Module model)
    {
        using var scope = torch.NewDisposeScope();
        using var _ = torch.no_grad();
        try
        {
            var tensors = Safetensors.Read(path).Tensors;
            if (WeightsHash.Compute(tensors) != summary.WeightsSha256) return $"{path} has other weights than those that were tested";
            if (summary.WeightsFileSha256 is { } file && file != Checksum(path)) return $"{path} has another description of its weights than was exported";
            var weights = model.state_dict();
            if (ModelDifference.Find(tensors, weights) is { } difference)
                throw new UsageException(
                    $"{path} belongs to a different model than the experiment builds now ({difference}): name another folder with --out, or delete the run's to train it again");
            foreach (var (name, weight) in weights) weight.copy_(tensors[name]);
            return null;
        }
        catch (FileNotFoundException)
        {
            return $"{path} is gone";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{path} cannot be read";
        }
        catch (InvalidDataException)
        {
            return $"{path} is damaged";
        }
    }

    private static string Checksum(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
