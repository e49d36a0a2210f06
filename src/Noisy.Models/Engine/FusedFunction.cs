using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What a pass of a fused function is besides tensors.</summary>
internal abstract record FusedCall
{
    /// <summary>What the forward pass left for the way back, which frees it.</summary>
    internal IDisposable? Tape { get; set; }
}

/// <summary>A function of the engine as a node of torch's graph: a kernel's two passes, and everything around them.</summary>
/// <remarks>Arguments: so many tensors, some perhaps null, then the call. A second backward pass over the same graph runs the
/// forward pass again, which draws the same noise. Gradients cannot be differentiated once more.</remarks>
/// <typeparam name="TSelf">The function.</typeparam>
/// <typeparam name="TCall">Its call.</typeparam>
internal abstract class FusedFunction<TSelf, TCall> : autograd.MultiTensorFunction<TSelf>
    where TSelf : FusedFunction<TSelf, TCall>, new()
    where TCall : FusedCall
{
    private const string CallKey = "call";

    public sealed override string Name => typeof(TSelf).Name;

    /// <summary>Arguments before the call.</summary>
    protected abstract int Tensors { get; }

    /// <summary>The function.</summary>
    /// <param name="vars">Its arguments.</param>
    /// <returns>Its results, owned by the caller.</returns>
    internal static List<Tensor> Of(params object?[] vars) => apply(FusedOperands.Note(vars));

    public sealed override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (TCall)vars[Tensors];
        using var scope = NewDisposeScope();
        var operands = new FusedOperands(vars, Tensors);
        var results = Results(call, operands);
        call.Tape = Forward(call, operands, results);
        if (operands.AnyWanted)
        {
            operands.Save(ctx);
            ctx.set_materialize_grads(false);
            ctx.save_data(CallKey, call);
        }
        else
        {
            Free(call);
        }

        return [.. results.Select(r => r.MoveToOuterDisposeScope())];
    }

    public sealed override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
    {
        var call = (TCall)ctx.get_data(CallKey);
        using var scope = NewDisposeScope();
        var operands = FusedOperands.Of(ctx);
        Tensor?[] above = [.. grad_outputs.Select(g => g is null || g.IsInvalid ? null : g.contiguous())];
        if (above.Any(g => g is not null))
        {
            call.Tape ??= Forward(call, operands, Results(call, operands));
            Backward(call, operands, above);
        }

        Free(call);
        return operands.Gradients();
    }

    /// <summary>Tensors for the results.</summary>
    protected abstract List<Tensor> Results(TCall call, FusedOperands operands);

    /// <summary>The forward pass.</summary>
    /// <returns>What the way back needs; null for nothing.</returns>
    protected abstract IDisposable? Forward(TCall call, FusedOperands operands, List<Tensor> results);

    /// <summary>The backward pass.</summary>
    /// <param name="call">The call, with its tape.</param>
    /// <param name="operands">The arguments, and places for their gradients.</param>
    /// <param name="above">Gradients in the results, contiguous; null for zeros, but not all of them.</param>
    protected abstract void Backward(TCall call, FusedOperands operands, Tensor?[] above);

    private static void Free(TCall call)
    {
        call.Tape?.Dispose();
        call.Tape = null;
    }
}
