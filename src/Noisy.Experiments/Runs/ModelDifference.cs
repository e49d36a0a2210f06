using TorchSharp;

namespace Noisy.Experiments;

/// <summary>What tells the model that a file has the weights of from another.</summary>
internal static class ModelDifference
{
    /// <summary>Compares names, shapes and types.</summary>
    /// <param name="there">The file's tensors by name.</param>
    /// <param name="model">The model's.</param>
    /// <returns>The names that only one of them has, else the first tensor that differs, in words; null if all are alike.</returns>
    internal static string? Find(IReadOnlyDictionary<string, torch.Tensor> there, IReadOnlyDictionary<string, torch.Tensor> model)
    {
        var (lost, added) = (there.Keys.Except(model.Keys).ToList(), model.Keys.Except(there.Keys).ToList());
        if (lost.Count + added.Count > 0) return $"it alone has {Names(lost)}, the model alone has {Names(added)}";
        foreach (var (name, now) in model)
        {
            var before = there[name];
            if (!before.shape.SequenceEqual(now.shape)) return $"{name} is {Shape(before)} there, {Shape(now)} in the model";
            if (before.dtype != now.dtype) return $"{name} is {before.dtype} there, {now.dtype} in the model";
        }

        return null;
    }

    private static string Names(List<string> names) => names.Count == 0 ? "nothing" : string.Join(", ", names);

    private static string Shape(torch.Tensor tensor) => $"[{string.Join(", ", tensor.shape)}]";
}
