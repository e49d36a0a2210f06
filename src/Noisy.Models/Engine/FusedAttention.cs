using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Looks of additive attention at the same annotations, one for each time step, as nodes of torch's graph; the gradients
/// in what all looks share are added up in place.</summary>
internal sealed unsafe class FusedAttention
{
    private const int Keys = 0, Annotations = 1, Score = 2, Gains = 3, Tensors = 6;

    private readonly NoisyActivationSpec spec;
    private readonly AttentionSize size;
    private readonly Tensor?[] values;
    private readonly Tensor? mask;
    private readonly SharedOverSteps? shared;

    // Sums over the steps, and the shapes that they end in.
    private readonly Tensor?[] sums = new Tensor?[4];
    private readonly long[]?[] shapes;

    private FusedAttention(NoisyActivationSpec spec, Tensor keys, Tensor annotations, Tensor? mask, Tensor score, Tensor? gains)
    {
        this.spec = spec;
        this.mask = mask?.contiguous();
        size = new((int)keys.shape[0], (int)keys.shape[1], (int)keys.shape[2], (int)annotations.shape[2]);
        Tensor?[] given = [keys.contiguous(), annotations.contiguous(), score.contiguous(), spec.UsesP ? gains!.contiguous() : null];
        shapes = [.. given.Select(v => v?.shape)];
        shared = SharedOverSteps.Of(given, () => [.. Enumerable.Range(0, sums.Length).Select(Gradient)]);
        values = shared?.Values ?? given;
    }

    /// <summary>The looks, if the fused engine can do them.</summary>
    /// <param name="spec">The activation; valid.</param>
    /// <param name="keys">[S, B, A].</param>
    /// <param name="annotations">[S, B, C].</param>
    /// <param name="mask">[S, B], added to the scores; null for zeros.</param>
    /// <param name="score">Weights of the score, [1, A].</param>
    /// <param name="gains">Gap gains [A]; null if the activation has none.</param>
    internal static FusedAttention? Of(NoisyActivationSpec spec, Tensor keys, Tensor annotations, Tensor? mask, Tensor score, Tensor? gains)
    {
        Tensor?[] all = [keys, annotations, mask, score, gains];
        return all.All(t => t is null || FusedEngine.Takes(t)) && keys.numel() > 0 && annotations.numel() > 0
            ? new(spec, keys, annotations, mask, score, gains)
            : null;
    }

    /// <summary>One look.</summary>
    /// <param name="asked">The query as the scores see it, [B, A].</param>
    /// <param name="context">Mode, key, update, time step and scale of the activation; not the exact mean.</param>
    /// <returns>Weighted mean [B, C] and weights [S, B]; owned by the caller.</returns>
    internal (Tensor Mean, Tensor Weights) Look(Tensor asked, NoiseContext context)
    {
        NoiseStream? draws = context.Mode == NoiseMode.Sample ? context.Key.At(context.Update, context.TimeStep) : null;
        var kernel = AttentionKernel.Create(spec, context.Scale ?? spec.C, draws, NoiseModes.Constant(spec, context.Mode), FusedEngine.Width);
        var result = LookFunction.apply([asked, .. values, mask, new LookCall(this, kernel, FusedEngine.Threads, shared?.NextNumber() ?? 0)]);
        return (result[0], result[1]);
    }

    /// <summary>Where steps add a gradient; null if it is not wanted.</summary>
    private float* Sum(int number, params long[] shape)
    {
        if (shared is null || !shared.Wants[number]) return null;
        return FusedEngine.Pointer(sums[number] ??= zeros(shape).DetachFromDisposeScope());
    }

    private void Forget()
    {
        foreach (var sum in sums) sum?.Dispose();
        Array.Clear(sums);
    }

    /// <summary>What steps have added up, in the caller's scope.</summary>
    private Tensor? Gradient(int number)
    {
        using var sum = sums[number];
        sums[number] = null;
        if (sum is null || number < Score) return sum?.alias();
        using var whole = sum.sum([0]);
        return whole.reshape(shapes[number]!);
    }

    /// <summary>What a look is besides tensors.</summary>
    private sealed record LookCall(FusedAttention Looks, AttentionKernel Kernel, int Threads, int Number)
    {
        /// <summary>What the kernel reads, from the arguments before the call.</summary>
        internal static AttentionInputs Inputs(Tensor?[] tensors) => new()
        {
            Asked = FusedEngine.Pointer(tensors[0]),
            Keys = FusedEngine.Pointer(tensors[1 + Keys]),
            Annotations = FusedEngine.Pointer(tensors[1 + Annotations]),
            Score = FusedEngine.Pointer(tensors[1 + Score]),
            Gains = FusedEngine.Pointer(tensors[1 + FusedAttention.Gains]),
            GainCount = (int)(tensors[1 + FusedAttention.Gains]?.numel() ?? 0),
            Mask = FusedEngine.Pointer(tensors[Tensors - 1]),
        };
    }

    /// <summary>A look. Arguments: query, keys, annotations, score, gains, mask, call.</summary>
    private sealed class LookFunction : autograd.MultiTensorFunction<LookFunction>
    {
        public override string Name => nameof(FusedAttention);

        public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var call = (LookCall)vars[Tensors];
            var size = call.Looks.size;
            using var scope = NewDisposeScope();
            var tensors = vars.Take(Tensors).Select(v => v as Tensor).ToArray();
            tensors[0] = tensors[0]!.contiguous().MoveToOuterDisposeScope(); // torch takes what is saved after this method's end
            var (weights, mean) = (empty([size.Places, size.Batch]), empty([size.Batch, size.Channels]));
            call.Kernel.Forward(size, LookCall.Inputs(tensors), FusedEngine.Pointer(weights), FusedEngine.Pointer(mean), call.Threads);
            ctx.save_for_backward([.. tensors!, weights.alias().MoveToOuterDisposeScope()]);
            ctx.save_data("call", call);
            ctx.set_materialize_grads(false);
            return [mean.MoveToOuterDisposeScope(), weights.MoveToOuterDisposeScope()];
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
        {
            var call = (LookCall)ctx.get_data("call");
            var (looks, size) = (call.Looks, call.Looks.size);
            using var scope = NewDisposeScope();
            var saved = ctx.get_saved_variables().Select(t => t is null || t.IsInvalid ? null : t).ToArray();
            var above = grad_outputs.Select(g => g is null || g.IsInvalid ? null : g.contiguous()).ToArray();
            var below = empty([size.Batch, size.Units]);
            var parts = AttentionKernel.Parts(size);
            if (looks.shared?.BeginsAnew(call.Number) == true) looks.Forget();
            var grad = new AttentionGradients
            {
                Mean = FusedEngine.Pointer(above[0]),
                Weights = FusedEngine.Pointer(above[1]),
                Asked = FusedEngine.Pointer(below),
                Keys = looks.Sum(Keys, size.Places, size.Batch, size.Units),
                Annotations = looks.Sum(Annotations, size.Places, size.Batch, size.Channels),
                Score = looks.Sum(Score, parts, size.Units),
                Gains = looks.Sum(FusedAttention.Gains, parts, looks.shapes[FusedAttention.Gains]?[0] ?? 0),
            };
            call.Kernel.Backward(size, LookCall.Inputs(saved), FusedEngine.Pointer(saved[Tensors]), grad, call.Threads);
            return [below.MoveToOuterDisposeScope(), .. Enumerable.Repeat<Tensor>(null!, Tensors)];
        }
    }
}
