using System.Security.Cryptography;
using System.Text;
using Noisy.Models;
using TorchSharp;

namespace Noisy.Experiments;

/// <summary>A fingerprint of a model's weights, to compare runs bit by bit.</summary>
internal static class WeightsHash
{
    /// <summary>SHA-256 over all parameters and buffers in ordinal order of their names: name, shape and bytes of each.</summary>
    /// <param name="model">The model, on any device.</param>
    /// <returns>64 lower-case hexadecimal digits.</returns>
    public static string Compute(torch.nn.Module model) => Compute(model.state_dict());

    /// <summary>The same over tensors by name, such as those that <see cref="Safetensors.Read"/> finds in an exported file.</summary>
    /// <param name="tensors">Parameters and buffers, on any device.</param>
    /// <returns>64 lower-case hexadecimal digits.</returns>
    public static string Compute(IEnumerable<KeyValuePair<string, torch.Tensor>> tensors)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, tensor) in tensors.OrderBy(t => t.Key, StringComparer.Ordinal))
        {
            using var cpu = tensor.detach().cpu().contiguous();
            sha.AppendData(Encoding.UTF8.GetBytes($"{name} {tensor.dtype} [{string.Join(",", tensor.shape)}]\n"));
            TensorBytes.Each(cpu, (_, bytes) => sha.AppendData(bytes));
        }

        return Convert.ToHexStringLower(sha.GetHashAndReset());
    }
}
