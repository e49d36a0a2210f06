using TorchSharp;

namespace Noisy.Experiments;

/// <summary>How a model's weights differ from those that a file holds.</summary>
internal static class ModelDifference
{
    /// <summary>Compares names, shapes and types.</summary>
    /// <param name="there">The file's tensors by name.</param>
    /// <param name="model">The model's.</param>
    /// <returns>The names that only one of them has, else the first tensor that differs, in words; null if all are alike.</returns>
    internal static string? Find(IReadOnlyDictionary<string, torch.Tensor> there, IReadOnlyDictionary<string, torch.Tensor> model)
    {
        var (lost, added) = (there.Keys.Except(model.Keys).ToList(), model.Keys.Except(there.Keys).ToList());
        if (lost.Count + added.Count > 0)
        {
            List<string> parts = [];
            if (lost.Count > 0) parts.Add($"only the file has {string.Join(", ", lost)}");
            if (added.Count > 0) parts.Add($"only the model has {string.Join(", ", added)}");
            return string.Join(", ", parts);
        }

        foreach (var (name, now) in model)
        {
            var before = there[name];
            if (!before.shape.SequenceEqual(now.shape)) return $"{name} is {Shape(before)} there, {Shape(now)} in the model";
            if (before.dtype != now.dtype) return $"{name} is {before.dtype} there, {now.dtype} in the model";
        }

        return null;
    }

    private static string Shape(torch.Tensor tensor) => $"[{string.Join(", ", tensor.shape)}]";
}
