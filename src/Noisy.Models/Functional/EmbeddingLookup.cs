using System.Numerics;
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
    /// <param name="backend">Which implementation to run on.</param>
    /// <returns>[.., E], differentiable in weight; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A token is no row, tokens are of another type, or the weight is no matrix.</exception>
    public static Tensor Rows(Tensor weight, Tensor tokens, Backend backend = Backend.Auto)
    {
        ArgumentNullException.ThrowIfNull(weight);
        ArgumentNullException.ThrowIfNull(tokens);
        if (tokens.dtype is not (ScalarType.Int64 or ScalarType.Int32))
            throw new ArgumentException($"tokens are {tokens.dtype}: must be Int64 or Int32", nameof(tokens));
        if (weight.dim() != 2) throw new ArgumentException($"weight is {Operand.Shape(weight)}: must be [V, E]", nameof(weight));
        if (backend == Backend.Composed || !FusedEngine.Takes(weight) || tokens.numel() == 0 || !Fits(tokens.numel(), weight.shape[1]))
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
        return EmbeddingFunction.Apply(weight, new EmbeddingCall(numbers, tokens.shape, weight.shape[0], weight.shape[1]))[0];
    }

    /// <summary>Whether so many tokens, of eight bytes each, and their rows are small enough for the fused engine.</summary>
    internal static bool Fits(long tokens, long width) => FusedEngine.Fits(tokens, Math.Max(2, width));
}

/// <summary>What a lookup is besides its weights.</summary>
internal sealed record EmbeddingCall(long[] Tokens, long[] Shape, long Rows, long Width) : FusedCall;

/// <summary>The function with its gradient. Arguments: weight, call.</summary>
internal sealed unsafe class EmbeddingFunction : FusedFunction<EmbeddingFunction, EmbeddingCall>
{
    protected override bool SavesOperands => false;

    protected override List<Tensor> Forward(EmbeddingCall call, FusedOperands operands)
    {
        var width = (int)call.Width;
        var result = FusedEngine.Empty([.. call.Shape, width]);
        var from = new ReadOnlySpan<float>(operands.At(0), checked((int)(call.Rows * width)));
        var to = new Span<float>(FusedEngine.Pointer(result), checked((int)result.numel()));
        for (var i = 0; i < call.Tokens.Length; i++) from.Slice((int)call.Tokens[i] * width, width).CopyTo(to[(i * width)..]);
        return [result];
    }

    protected override void Backward(EmbeddingCall call, FusedOperands operands, Tensor?[] upstream)
    {
        var width = (int)call.Width;
        var from = new ReadOnlySpan<float>(FusedEngine.Pointer(upstream[0]), checked((int)upstream[0]!.numel()));
        var table = operands.Rows(0, call.Tokens.Select(token => (int)token)).At;
        for (var i = 0; i < call.Tokens.Length; i++)
        {
            var to = new Span<float>(table + (call.Tokens[i] * width), width);
            var add = from.Slice(i * width, width);
            var vectors = MemoryMarshal.Cast<float, Vector<float>>(to);
            var others = MemoryMarshal.Cast<float, Vector<float>>(add);
            for (var v = 0; v < vectors.Length; v++) vectors[v] += others[v];
            for (var e = vectors.Length * Vector<float>.Count; e < to.Length; e++) to[e] += add[e];
        }
    }

    protected override List<Tensor> Compose(EmbeddingCall call, Tensor?[] operands) => throw new InvalidOperationException("a lookup keeps no weights");

    protected override Tensor?[] Differentiable(EmbeddingCall call, Tensor?[] operands, bool[] requiresGrad, Tensor?[] upstream)
    {
        using var one = 1L.ToScalar();
        return [FusedEngine.Zeros(call.Rows, call.Width).index_add(0, tensor(call.Tokens), upstream[0]!.reshape(-1, call.Width), one)];
    }
}
