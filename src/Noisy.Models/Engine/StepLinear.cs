using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>A linear map that time steps use one after the other; the gradients in its weights are made for all of them in one
/// product.</summary>
/// <remarks>Without <see cref="Tensor.requires_grad"/> of the weights, or with gradients off, it is torch's own.</remarks>
internal sealed class StepLinear
{
    private readonly Tensor weight;
    private readonly Tensor? bias;
    private readonly SharedOverSteps? shared;
    private readonly List<(Tensor Input, Tensor Above)> steps = [];

    /// <summary>Makes the map.</summary>
    /// <param name="weight">[O, I].</param>
    /// <param name="bias">[O]; null for none.</param>
    /// <param name="path">Composed takes torch's own.</param>
    internal StepLinear(Tensor weight, Tensor? bias, EnginePath path)
    {
        shared = path == EnginePath.Composed ? null : SharedOverSteps.Of([weight, bias], Gradients);
        (this.weight, this.bias) = shared is null ? (weight, bias) : (shared.Values[0]!, shared.Values[1]);
    }

    /// <summary>x Wᵀ + b for one time step or several.</summary>
    /// <param name="input">[.., I].</param>
    /// <returns>[.., O]; owned by the caller.</returns>
    internal Tensor Apply(Tensor input) => shared is null ? F.linear(input, weight, bias) : StepFunction.apply(input, weight, bias!, this);

    private Tensor?[] Gradients()
    {
        if (steps.Count == 0) return [null, null];
        using var scope = NewDisposeScope();
        var above = Rows(steps.Select(s => s.Above));
        var weight = shared!.Wants[0] ? above.t().mm(Rows(steps.Select(s => s.Input))).MoveToOuterDisposeScope() : null;
        var bias = shared.Wants[1] ? above.sum([0]).MoveToOuterDisposeScope() : null;
        Forget();
        return [weight, bias];
    }

    private void Forget()
    {
        foreach (var kept in steps.SelectMany(s => new[] { s.Input, s.Above })) kept.Dispose();
        steps.Clear();
    }

    /// <summary>The rows of all steps, one below the other.</summary>
    private static Tensor Rows(IEnumerable<Tensor> parts) => cat(parts.Select(part => part.reshape(-1, part.shape[^1])).ToArray(), 0);

    /// <summary>A time step. Arguments: input, weight, bias, map.</summary>
    private sealed class StepFunction : autograd.SingleTensorFunction<StepFunction>
    {
        public override string Name => nameof(StepLinear);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (input, weight) = ((Tensor)vars[0], (Tensor)vars[1]);
            ctx.save_for_backward([input, weight]);
            ctx.save_data("map", vars[3]);
            ctx.save_data("number", ((StepLinear)vars[3]).shared!.NextNumber());
            ctx.save_data("back", input.requires_grad);
            return F.linear(input, weight, vars[2] as Tensor);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var map = (StepLinear)ctx.get_data("map");
            using var scope = NewDisposeScope();
            var saved = ctx.get_saved_variables();
            if (map.shared!.BeginsAnew((int)ctx.get_data("number"))) map.Forget();
            map.steps.Add((saved[0].detach().DetachFromDisposeScope(), grad_output.detach().DetachFromDisposeScope()));
            return [(bool)ctx.get_data("back") ? grad_output.matmul(saved[1]).MoveToOuterDisposeScope() : null!, null!, null!, null!];
        }
    }
}
