using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>
/// The operator contract of a recurrent cell: how gate pre-activations become the next state. A new cell is a new operator.
/// </summary>
internal abstract class RecurrentCell
{
    /// <summary>The same recurrence in the fused engine.</summary>
    public abstract RecurrentCellKind Kind { get; }

    /// <summary>Blocks of H rows in the weights.</summary>
    public abstract int Gates { get; }

    /// <summary>State tensors carried in time; the first is the output.</summary>
    public abstract int States { get; }

    /// <summary>The activation at each nonlinearity, in the order of the rows of p and of the noise keys.</summary>
    public abstract IReadOnlyList<NoisyActivationSpec> Sites { get; }

    /// <summary>Gap gains as a pass takes them: without a gradient if they have no part in it.</summary>
    public Tensor? Gains(Tensor? p, NoiseContext context) =>
        p is not { requires_grad: true } || Sites.Any(s => GapGain.Counts(s, context)) ? p : p.detach();

    /// <summary>One layer in one direction over a sequence.</summary>
    /// <param name="w">The layer's weights.</param>
    /// <param name="x">[T, B, I].</param>
    /// <param name="start">Initial states, each [B, H].</param>
    /// <param name="backwards">Whether time runs from T − 1 down to 0.</param>
    /// <param name="context">The layer's context.</param>
    /// <returns>Output [T, B, H] and final states, each [B, H], moved out of the inner scopes.</returns>
    public (Tensor Output, Tensor[] End) Run(RecurrentWeights w, Tensor x, Tensor[] start, bool backwards, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        var steps = (int)x.shape[0];
        var sites = new SiteNoise(Sites, w.P, [x.shape[0], x.shape[1], w.WeightHh.shape[1]], x.device, context);
        var inputs = Project(w, x).unbind(0);
        var recurrent = new StepLinear(w.WeightHh, RecurrentBias(w), Backend.Composed);
        var outputs = new Tensor[steps];
        var state = start;
        for (var i = 0; i < steps; i++)
        {
            using var inner = NewDisposeScope();
            var t = backwards ? steps - 1 - i : i;
            state = Step(inputs[t], recurrent.Apply, state, (site, pre) => sites.Apply(site, t, pre));
            foreach (var s in state) s.MoveToOuterDisposeScope();
            outputs[t] = state[0];
        }

        return (stack(outputs).MoveToOuterDisposeScope(), state.Select(s => s.MoveToOuterDisposeScope()).ToArray());
    }

    /// <summary>The part of the gate pre-activations that does not depend on the state, for all time steps in one product.</summary>
    public Tensor Project(RecurrentWeights w, Tensor x) => F.linear(x, w.WeightIh, InputBias(w));

    /// <summary>What is added to the product with the input.</summary>
    public virtual Tensor InputBias(RecurrentWeights w) => w.BiasIh.Plus(w.BiasHh);

    /// <summary>What is added to the product with the state; null for nothing.</summary>
    public virtual Tensor? RecurrentBias(RecurrentWeights w) => null;

    /// <summary>One time step.</summary>
    /// <param name="input">This step's slice of <see cref="Project"/>.</param>
    /// <param name="recurrent">The product with the state, [B, H] to [B, G H], <see cref="RecurrentBias"/> added.</param>
    /// <param name="state">States [B, H] before the step.</param>
    /// <param name="activate">Applies the activation of a site to its pre-activation.</param>
    /// <returns>States after the step, new tensors.</returns>
    public abstract Tensor[] Step(Tensor input, Func<Tensor, Tensor> recurrent, Tensor[] state, Func<int, Tensor, Tensor> activate);
}

/// <summary>LSTM: gates input, forget, candidate, output; sites in the same order, then the cell output.</summary>
internal sealed class LstmCell(ActivationPair activations) : RecurrentCell
{
    private readonly NoisyActivationSpec[] sites =
        [activations.Sigmoid, activations.Sigmoid, activations.Tanh, activations.Sigmoid, activations.Tanh];

    public override RecurrentCellKind Kind => RecurrentCellKind.Lstm;

    public override int Gates => 4;

    public override int States => 2;

    public override IReadOnlyList<NoisyActivationSpec> Sites => sites;

    public override Tensor[] Step(Tensor input, Func<Tensor, Tensor> recurrent, Tensor[] state, Func<int, Tensor, Tensor> activate)
    {
        var gates = input.Plus(recurrent(state[0])).chunk(4, 1);
        var keep = activate(1, gates[1]) * state[1];
        var cell = keep.PlusProduct(activate(0, gates[0]), activate(2, gates[2]));
        var hidden = activate(3, gates[3]) * activate(4, cell);
        return [hidden, cell];
    }
}

/// <summary>GRU in torch's form: gates reset, update, candidate; n = tanh(W x + b + r (U h + b)), h = (1 − z) n + z h.</summary>
internal sealed class GruCell(ActivationPair activations) : RecurrentCell
{
    private readonly NoisyActivationSpec[] sites = [activations.Sigmoid, activations.Sigmoid, activations.Tanh];

    public override RecurrentCellKind Kind => RecurrentCellKind.Gru;

    public override int Gates => 3;

    public override int States => 1;

    public override IReadOnlyList<NoisyActivationSpec> Sites => sites;

    public override Tensor InputBias(RecurrentWeights w) => w.BiasIh;

    public override Tensor RecurrentBias(RecurrentWeights w) => w.BiasHh;

    public override Tensor[] Step(Tensor input, Func<Tensor, Tensor> recurrent, Tensor[] state, Func<int, Tensor, Tensor> activate)
    {
        var h = state[0];
        var x = input.chunk(3, 1);
        var u = recurrent(h).chunk(3, 1);
        var reset = activate(0, x[0].Plus(u[0]));
        var update = activate(1, x[1].Plus(u[1]));
        var candidate = activate(2, x[2].PlusProduct(reset, u[2]));
        return [candidate.PlusProduct(update, h - candidate)];
    }
}

/// <summary>A layer without a state, as the controller of a machine: one site in the place of a tanh.</summary>
internal sealed class DenseCell(NoisyActivationSpec tanh) : RecurrentCell
{
    private readonly NoisyActivationSpec[] sites = [tanh];

    public override RecurrentCellKind Kind => RecurrentCellKind.Dense;

    public override int Gates => 1;

    public override int States => 1;

    public override IReadOnlyList<NoisyActivationSpec> Sites => sites;

    public override Tensor[] Step(Tensor input, Func<Tensor, Tensor> recurrent, Tensor[] state, Func<int, Tensor, Tensor> activate) =>
        [activate(0, input)];
}
