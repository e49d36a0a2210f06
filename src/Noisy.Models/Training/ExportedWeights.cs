using TorchSharp;

namespace Noisy.Models;

/// <summary>The <c>weights.safetensors</c> of a run that is done, compared with what its summary says of them.</summary>
internal static class ExportedWeights
{
    /// <summary>What is wrong with the file; null if it holds the weights that were tested.</summary>
    /// <param name="path">The file.</param>
    /// <param name="summary">The run's summary.</param>
    internal static string? Fault(string path, RunSummary summary)
    {
        using var scope = torch.NewDisposeScope();
        try
        {
            return WeightsHash.Of(Safetensors.Read(path).Tensors) == summary.WeightsSha256 ? null : $"{path} has other weights than those that were tested";
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
}
