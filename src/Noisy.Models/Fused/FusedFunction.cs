using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What a pass of a fused function is besides tensors.</summary>
internal abstract record FusedCall
{
    /// <summary>What the forward pass left for the backward pass, which frees it.</summary>
    internal IDisposable? Tape { get; set; }

    /// <summary>Whether a backward pass has freed the tape, or the whole graph.</summary>
    internal bool TapeFreed { get; set; }

    internal bool GraphFreed { get; set; }
}

/// <summary>A function of the engine as a node of torch's graph: a kernel's two passes, and everything around them.</summary>
/// <remarks>
/// <para>Arguments: tensors, some perhaps null, then the call.</para>
/// <para>A second backward pass over the same graph is right if the first kept it, as in torch; it runs the forward pass again, which
/// draws the same noise. Where a graph of the gradients is made (<c>create_graph</c>), they come from the composed backend, so that they
/// can be differentiated once more.</para>
/// <para>Whatever goes wrong reaches the caller of the forward or of the backward pass as an exception.</para>
/// </remarks>
/// <typeparam name="TSelf">The function.</typeparam>
/// <typeparam name="TCall">Its call.</typeparam>
internal abstract class FusedFunction<TSelf, TCall> : autograd.MultiTensorFunction<TSelf>
    where TSelf : FusedFunction<TSelf, TCall>, new()
    where TCall : FusedCall
{
    private const string OperandsKey = "operands", CallKey = "call";

    [ThreadStatic]
    private static Exception? failed;

    // Handles that torch has taken its own of by the time this thread comes here again.
    [ThreadStatic]
    private static List<Tensor>? taken;

    public sealed override string Name => typeof(TSelf).Name;

    /// <summary>Whether the backward pass needs the values of the arguments, unchanged.</summary>
    protected virtual bool SavesOperands => true;

    /// <summary>Whether there is nothing to do where no result has a gradient.</summary>
    protected virtual bool NeedsUpstream => true;

    /// <summary>The function.</summary>
    /// <param name="vars">Its arguments.</param>
    /// <returns>Its results, owned by the caller.</returns>
    /// <exception cref="Exception">Whatever the forward pass throws.</exception>
    internal static List<Tensor> Apply(params object?[] vars)
    {
        _ = TorchInternals.Verified; // tried out here, and not within a backward pass
        FusedOperands.NoteRecording();
        var results = apply(vars!);
        FreeTaken();
        if (failed is not { } cause) return results;
        failed = null;
        foreach (var result in results) result.Dispose();
        ExceptionDispatchInfo.Throw(cause);
        return results;
    }

    public sealed override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
    {
        // torch never forgets a node whose forward pass threw; so it throws later.
        try
        {
            using var scope = NewDisposeScope();
            var call = (TCall)vars[^1];
            var operands = new FusedOperands(vars);
            FunctionFaults.Reach(Name, "forward");
            var results = Forward(call, operands);
            ctx.set_materialize_grads(false);
            if (operands.AnyRequiresGrad)
            {
                Hand([.. operands.Copies()]);
                operands.Save(ctx, SavesOperands);
                ctx.save_data(OperandsKey, operands);
                ctx.save_data(CallKey, call);
            }
            else
            {
                Free(call);
            }

            return Hand([.. results.Select(r => r.MoveToOuterDisposeScope())]);
        }
        catch (Exception e)
        {
            failed = e;
            return Hand([empty(0)]);
        }
    }

    public sealed override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
    {
        var operands = (FusedOperands)ctx.get_data(OperandsKey);
        Exception? cause = null;
        List<Tensor> gradients;
        FunctionFailure.Suspend();
        FreeTaken();
        try
        {
            gradients = FunctionFailure.IsPending ? operands.NotNumbers() : Backward(ctx, operands, grad_outputs);
        }
        catch (Exception e)
        {
            cause = e;
            gradients = operands.NotNumbers();
        }

        foreach (var g in grad_outputs)
        {
            if (!gradients.Exists(t => ReferenceEquals(t, g))) TensorCount.Dispose(g); // else it is handed on
        }

        var handed = Hand(gradients);
        FunctionFailure.Leave(cause);
        return handed;
    }

    /// <summary>The forward pass; it leaves what the backward pass needs in the call's tape.</summary>
    /// <returns>The results, in the current scope.</returns>
    protected abstract List<Tensor> Forward(TCall call, FusedOperands operands);

    /// <summary>The backward pass.</summary>
    /// <param name="call">The call, with its tape.</param>
    /// <param name="operands">The arguments, and places for their gradients.</param>
    /// <param name="upstream">Gradients of the results, contiguous; null for zeros.</param>
    protected abstract void Backward(TCall call, FusedOperands operands, Tensor?[] upstream);

    /// <summary>The results through torch's own operations: what can be differentiated more than once.</summary>
    /// <param name="call">The call.</param>
    /// <param name="operands">The arguments, as they hang in the graph.</param>
    protected abstract List<Tensor> Compose(TCall call, Tensor?[] operands);

    /// <summary>The gradients of the arguments, with a graph of their own.</summary>
    /// <param name="call">The call.</param>
    /// <param name="operands">The arguments, as they hang in the graph.</param>
    /// <param name="requiresGrad">Which of them have a gradient.</param>
    /// <param name="upstream">Gradients of the results; null for zeros, but not all of them.</param>
    /// <returns>A gradient an argument, null for none; in the current scope.</returns>
    protected virtual Tensor?[] Differentiable(TCall call, Tensor?[] operands, bool[] requiresGrad, Tensor?[] upstream)
    {
        // One operand may have been made of another: only what goes through this function counts here.
        Tensor?[] own = [.. operands.Select((t, i) => requiresGrad[i] ? t!.view(t.shape) : t)];
        var results = Compose(call, own);
        var reached = Enumerable.Range(0, upstream.Length).Where(i => upstream[i] is not null && results[i].requires_grad).ToArray();
        var inputs = Enumerable.Range(0, operands.Length).Where(i => requiresGrad[i]).ToArray();
        var gradients = new Tensor?[operands.Length];
        if (reached.Length == 0) return gradients;
        var made = autograd.grad(
            [.. reached.Select(i => results[i])], [.. inputs.Select(i => own[i]!)], [.. reached.Select(i => upstream[i]!)],
            retain_graph: true, create_graph: true, allow_unused: true);
        for (var i = 0; i < inputs.Length; i++) gradients[inputs[i]] = TensorCount.Valid(made[i]);
        return gradients;
    }

    private List<Tensor> Backward(autograd.AutogradContext ctx, FusedOperands operands, List<Tensor> grad_outputs)
    {
        var call = (TCall)ctx.get_data(CallKey);
        if (call.GraphFreed)
        {
            throw new InvalidOperationException(
                "Trying to backward through the graph a second time, after its saved values were freed. Detach a state that is carried from "
                + "one update to the next (state.detach()), or pass retain_graph: true to the first backward pass.");
        }

        using var scope = NewDisposeScope();
        var createsGraph = is_grad_enabled();
        Tensor?[] upstream = [.. grad_outputs.Select(g => g is null || g.IsInvalid ? null : createsGraph || g.is_contiguous() ? g : g.contiguous())];
        var saved = SavesOperands ? ctx.get_saved_variables().Select(TensorCount.Valid).ToArray() : [];
        FunctionFaults.Reach(Name, "backward");
        if (NeedsUpstream && upstream.All(g => g is null)) return operands.Nothing();
        if (createsGraph) return operands.Made(Differentiable(call, saved[..Math.Min(saved.Length, operands.Count)], operands.RequiresGrad, upstream));
        using var pass = operands.Begin(saved);
        if (call.TapeFreed && call.Tape is null) _ = Forward(call, operands);
        Backward(call, operands, upstream);
        Free(call);
        call.GraphFreed = !TorchInternals.KeepsGraph;
        return operands.Gradients();
    }

    private static List<Tensor> Hand(List<Tensor> handles)
    {
        (taken ??= []).AddRange(handles.Where(t => t is not null));
        return handles;
    }

    private static void FreeTaken()
    {
        if (taken is not { Count: > 0 } handles) return;
        foreach (var handle in handles) handle.Dispose();
        handles.Clear();
    }

    private static void Free(TCall call)
    {
        if (call.Tape is null) return;
        call.Tape.Dispose();
        call.Tape = null;
        call.TapeFreed = true;
    }
}
