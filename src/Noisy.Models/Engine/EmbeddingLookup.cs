using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Rows of an embedding, whose gradient touches only the rows that were looked up.</summary>
public static class EmbeddingLookup
{
    /// <summary>Looks rows up.</summary>
    /// <param name="weight">[V, E].</param>
    /// <param name="tokens">Row numbers of any shape, int64 or int32, each in [0, V).</param>
    /// <param name="path">Which implementation to run on.</param>
    /// <returns>[.., E], differentiable in weight; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A token is no row, or tokens are of another type.</exception>
    public static Tensor Rows(Tensor weight, Tensor tokens, EnginePath path = EnginePath.Auto)
    {
        if (tokens.dtype is not (ScalarType.Int64 or ScalarType.Int32))
            throw new ArgumentException($"tokens are {tokens.dtype}: must be Int64 or Int32", nameof(tokens));
        if (path == EnginePath.Composed || !FusedEngine.Takes(weight) || tokens.numel() == 0)
        {
            using var flat = tokens.reshape(-1);
            using var rows = weight.index_select(0, flat);
            return rows.reshape([.. tokens.shape, weight.shape[1]]);
        }

        using var wide = tokens.to_type(ScalarType.Int64);
        using var near = wide.cpu();
        using var cpu = near.contiguous();
        var numbers = MemoryMarshal.Cast<byte, long>(cpu.bytes).ToArray();
        var rowCount = weight.shape[0];
        var outside = Array.FindIndex(numbers, n => n < 0 || n >= rowCount);
        if (outside >= 0) throw new ArgumentException($"token {outside} is {numbers[outside]}: must be in [0, {rowCount})", nameof(tokens));
        return EmbeddingFunction.apply(weight, new EmbeddingCall(numbers, tokens.shape, GradientSlot.Of(weight)));
    }
}

/// <summary>What a lookup is besides its weights.</summary>
internal sealed record EmbeddingCall(long[] Tokens, long[] Shape, GradientSlot? Slot);

/// <summary>The function with its gradient. Arguments: weight, call.</summary>
internal sealed unsafe class EmbeddingFunction : autograd.SingleTensorFunction<EmbeddingFunction>
{
    public override string Name => nameof(EmbeddingFunction);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (weight, call) = ((Tensor)vars[0], (EmbeddingCall)vars[1]);
        using var table = weight.contiguous();
        var width = (int)weight.shape[1];
        var result = empty([.. call.Shape, width]);
        var from = new ReadOnlySpan<float>(FusedEngine.Pointer(table), checked((int)weight.numel()));
        var to = new Span<float>(FusedEngine.Pointer(result), checked((int)result.numel()));
        for (var i = 0; i < call.Tokens.Length; i++) from.Slice((int)call.Tokens[i] * width, width).CopyTo(to[(i * width)..]);
        ctx.save_data("call", call);
        ctx.save_data("rows", weight.shape[0]);
        return result;
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var call = (EmbeddingCall)ctx.get_data("call");
        using var above = grad_output.contiguous();
        var width = (int)above.shape[^1];
        var from = new ReadOnlySpan<float>(FusedEngine.Pointer(above), checked((int)above.numel()));
        var slot = call.Slot?.Live;
        var dense = slot is null ? zeros([(long)ctx.get_data("rows"), width]) : null;
        var whole = new Span<float>(FusedEngine.Pointer(dense), checked((int)(dense?.numel() ?? 0)));
        for (var i = 0; i < call.Tokens.Length; i++)
        {
            var row = (int)call.Tokens[i];
            var to = slot is not null ? slot.Row(row) : whole.Slice(row * width, width);
            var add = from.Slice(i * width, width);
            for (var e = 0; e < to.Length; e++) to[e] += add[e];
        }

        return [dense!, null!];
    }
}
