using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Finds out what TorchSharp keeps to itself: whether an embedding does more than to look rows up.</summary>
internal static class EmbeddingProbe
{
    private const float Huge = 1e18f; // no row of trained weights comes near, and no max_norm allows it

    private const string Unclear = "its weights have no gradient, as those made in inference_mode, so that it cannot be known whether it only looks rows up";

    /// <summary>Why an embedding must stay as it is; null if it looks rows up and no more.</summary>
    public static string? Problem(Embedding module)
    {
        using var scope = NewDisposeScope();
        var weight = module.get_parameter("weight")!;
        if (RecurrentProbe.Unsupported(weight) is { } problem) return problem;
        if (weight.numel() == 0) return "it has no numbers";
        if (TorchInternals.IsInference(weight)) return Unclear;
        return OfRow(module, weight) ?? OfGradient(module, weight);
    }

    /// <summary>What the output shows of a row that is too long: puts one there and takes it back.</summary>
    private static string? OfRow(Embedding module, Parameter weight)
    {
        using var _ = no_grad();
        var row = weight.narrow(0, 0, 1);
        var before = row.clone();
        try
        {
            using var huge = Huge.ToScalar();
            var first = zeros(1, dtype: ScalarType.Int64, device: weight.device);
            var ordinary = module.forward(first);
            row.fill_(huge);
            var output = module.forward(first);
            return output.eq(huge).all().item<bool>() ? null
                : output.eq(ordinary).all().item<bool>() ? "its parameter is not what it looks up, as TorchSharp leaves it after Embedding_from_pretrained"
                : "it has max_norm, which changes weights as they are looked up";
        }
        finally
        {
            row.copy_(before);
        }
    }

    /// <summary>What the gradient shows: of a sum over all rows, the first and the last one twice, it is how often each was there.</summary>
    private static string? OfGradient(Embedding module, Parameter weight)
    {
        using var _ = enable_grad();
        var rows = weight.shape[0];
        var frozen = !weight.requires_grad;
        if (frozen) weight.requires_grad = true;
        try
        {
            var ids = tensor(Enumerable.Range(0, checked((int)rows)).Select(i => (long)i).Append(0).Append(rows - 1).ToArray(), device: weight.device);
            var sum = module.forward(ids).sum();
            if (!sum.requires_grad) return Unclear; // autograd.grad would end the process
            var gradient = autograd.grad([sum], [weight])[0];
            if (gradient.is_sparse) return "its gradient is sparse (sparse: true)";
            var counts = gradient.select(1, 0).cpu().to_type(ScalarType.Float32).contiguous().data<float>().ToArray();
            var padding = Array.IndexOf(counts, 0);
            if (padding >= 0) return $"row {padding} gets no gradient (padding_idx)";
            return counts[0] == (rows == 1 ? 3 : 2) ? null : "its gradient is scaled (scale_grad_by_freq)";
        }
        finally
        {
            if (frozen) weight.requires_grad = false;
        }
    }
}
