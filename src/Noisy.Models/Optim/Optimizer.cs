using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>An optimiser over all parameters of a model; a norm and a step, each in one pass.</summary>
/// <remarks>
/// Gradients are where torch has them, in <c>Parameter.grad</c>: null, zero, clip, scale or replace them as with torch's optimisers, of
/// which others may work on the same model. On the CPU in single precision a step is one pass over all parameters; elsewhere the same
/// formulas are composed of tensor operations. A parameter without a gradient stays as it is, as in torch. Formulas:
/// <see cref="OptimizerSpec"/>.
/// </remarks>
public abstract class Optimizer : IDisposable
{
    private protected Optimizer(OptimizerSpec spec, IReadOnlyList<(string Name, Parameter Parameter)> parameters)
    {
        Spec = spec.Validate();
        Parameters = parameters;
        Dictionary<string, Tensor> state = [];
        foreach (var (name, parameter) in parameters)
        {
            for (var i = 0; i < spec.States; i++)
            {
                using var _ = no_grad();
                state[$"{name}.{i}"] = zeros_like(parameter).detach().DetachFromDisposeScope();
            }
        }

        State = state;
    }

    /// <summary>The method.</summary>
    public OptimizerSpec Spec { get; }

    /// <summary>Running values by "parameter.number": what a checkpoint keeps.</summary>
    public IReadOnlyDictionary<string, Tensor> State { get; }

    /// <summary>Whether nobody else writes into gradients, as in the engine's own training loop; else rows of an embedding's gradient that no
    /// token touched are left out only after they were checked to be zeros.</summary>
    internal bool OwnsGradients { get; set; }

    /// <summary>What is trained.</summary>
    private protected IReadOnlyList<(string Name, Parameter Parameter)> Parameters { get; }

    /// <summary>An optimiser for a model.</summary>
    /// <param name="spec">The method.</param>
    /// <param name="model">Its parameters are trained; it must stay on its device.</param>
    /// <exception cref="InvalidSpecException">The spec breaks a rule.</exception>
    public static Optimizer Create(OptimizerSpec spec, nn.Module model)
    {
        var parameters = model.named_parameters().Select(p => (p.name, p.parameter)).ToList();
        return parameters.All(p => FusedEngine.Takes(p.parameter) && p.parameter.is_contiguous())
            ? new FusedOptimizer(spec, parameters)
            : new ComposedOptimizer(spec, parameters);
    }

    /// <summary>Euclidean norm of the whole gradient; NaN or infinite if the gradient is.</summary>
    public abstract double GradientNorm();

    /// <summary>Changes every parameter, and clears the gradients.</summary>
    /// <param name="rate">Learning rate, &gt; 0.</param>
    /// <param name="step">Number of this step, from 1.</param>
    /// <param name="gradientScale">What the gradient is multiplied by first: below 1 where a clip acts.</param>
    /// <exception cref="ArgumentOutOfRangeException">The step is below 1.</exception>
    public void Step(double rate, long step, double gradientScale = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1); // Adam would divide by 1 - β⁰ = 0
        Update(rate, step, gradientScale);
    }

    /// <summary>What <see cref="Step"/> does.</summary>
    private protected abstract void Update(double rate, long step, double gradientScale);

    /// <summary>Forgets the gradients.</summary>
    public virtual void ZeroGrad()
    {
        foreach (var (_, parameter) in Parameters) parameter.grad = null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the running values.</summary>
    /// <param name="disposing">Always true.</param>
    protected virtual void Dispose(bool disposing)
    {
        foreach (var tensor in State.Values) tensor.Dispose();
    }
}

/// <summary>The formulas as tensor operations: any device, and what the fused form is tested against.</summary>
internal sealed class ComposedOptimizer(OptimizerSpec spec, IReadOnlyList<(string Name, Parameter Parameter)> parameters) : Optimizer(spec, parameters)
{
    public override double GradientNorm()
    {
        using var scope = NewDisposeScope();
        var norms = Parameters.Where(p => p.Parameter.grad is not null).Select(p => p.Parameter.grad!.norm()).ToArray();
        return norms.Length == 0 ? 0 : stack([.. norms.Select(n => n.to(CPU).to_type(ScalarType.Float64))]).norm().item<double>();
    }

    private protected override void Update(double rate, long step, double gradientScale)
    {
        using var _ = no_grad();
        foreach (var (name, parameter) in Parameters)
        {
            if (parameter.grad is not { } gradient) continue;
            using var scope = NewDisposeScope();
            var scaled = gradient.Times(gradientScale);
            if (Spec.WeightDecay != 0) scaled = scaled.PlusTimes(parameter, Spec.WeightDecay);
            parameter.AddInPlace(Change(name, scaled, rate, step), 1);
        }

        ZeroGrad();
    }

    private Tensor Change(string name, Tensor g, double rate, long step)
    {
        Tensor Decayed(int i, Tensor news, double decay)
        {
            var state = State[$"{name}.{i}"];
            state.copy_(state.Times(decay).PlusTimes(news, 1 - decay));
            return state;
        }

        switch (Spec.Kind)
        {
            case OptimizerKind.Sgd when Spec.Momentum == 0:
                return g.Times(-rate);
            case OptimizerKind.Sgd:
                var velocity = State[$"{name}.0"];
                velocity.copy_(velocity.Times(Spec.Momentum).Plus(g));
                return velocity.Times(-rate);
            case OptimizerKind.RmsProp:
                return (g / Decayed(0, g.Squared(), Spec.Decay).sqrt().Plus(Spec.Epsilon)).Times(-rate);
            case OptimizerKind.GravesRmsProp:
                var (square, mean) = (Decayed(0, g.Squared(), Spec.Decay), Decayed(1, g, Spec.Decay));
                var step3 = State[$"{name}.2"];
                step3.copy_(step3.Times(Spec.Momentum).PlusTimes(g / (square - mean.Squared()).relu().Plus(Spec.Epsilon).sqrt(), -rate));
                return step3.alias();
            case OptimizerKind.Adam:
                var first = Decayed(0, g, Spec.Beta1).Times(1 / (1 - Math.Pow(Spec.Beta1, step)));
                var second = Decayed(1, g.Squared(), Spec.Beta2).Times(1 / (1 - Math.Pow(Spec.Beta2, step)));
                return (first / second.sqrt().Plus(Spec.Epsilon)).Times(-rate);
            default:
                var mean2 = Decayed(0, g.Squared(), Spec.Decay);
                var steps = State[$"{name}.1"];
                var delta = steps.Plus(Spec.Epsilon).sqrt() / mean2.Plus(Spec.Epsilon).sqrt() * g;
                Decayed(1, delta.Squared(), Spec.Decay);
                return delta.Times(-rate);
        }
    }
}

/// <summary>The optimiser as one pass over all memory.</summary>
internal sealed class FusedOptimizer : Optimizer
{
    internal FusedOptimizer(OptimizerSpec spec, IReadOnlyList<(string Name, Parameter Parameter)> parameters)
        : base(spec, parameters)
    {
        foreach (var (_, parameter) in parameters) GradientSegments.InHugePages(parameter);
    }

    public override double GradientNorm()
    {
        using var scope = NewDisposeScope();
        return Math.Sqrt(OptimizerKernel.SquaredNorm(Segments(sparse: true), FusedEngine.Width, FusedEngine.Threads));
    }

    private protected override void Update(double rate, long step, double gradientScale)
    {
        using (NewDisposeScope())
        {
            // Running values of rows that were not looked up decay too, and so do weights.
            OptimizerKernel.Step(Spec, Segments(sparse: Spec.States == 0 && Spec.WeightDecay == 0), rate, gradientScale, step, FusedEngine.Width, FusedEngine.Threads);
        }

        // A backward pass that still needs the old weights must not take the new ones.
        foreach (var (_, parameter) in Parameters)
        {
            using var gradient = parameter.grad;
            if (gradient is not null) TorchInternals.Changed(parameter); // without one it stayed as it is
        }

        ZeroGrad();
        if (!OwnsGradients) return;
        foreach (var (_, parameter) in Parameters) GradientMemory.For(parameter).Release();
    }

    /// <summary>The weights that have a gradient.</summary>
    /// <param name="sparse">Whether rows whose gradient is 0 may be left out.</param>
    private WeightSegment[] Segments(bool sparse)
    {
        List<WeightSegment> segments = [];
        foreach (var (name, parameter) in Parameters)
        {
            Check(name, parameter);
            if (parameter.grad is not { } gradient) continue;
            if (gradient.is_sparse) gradient = gradient.to_dense();
            if (!FusedEngine.Takes(gradient)) gradient = gradient.to(CPU).to_type(ScalarType.Float32);
            GradientSegments.Add(segments, parameter, gradient.contiguous(), sparse, OwnsGradients, Running(0), Running(1), Running(2));

            Tensor? Running(int number) => State.GetValueOrDefault($"{name}.{number}");
        }

        return [.. segments];
    }

    private static void Check(string name, Parameter parameter)
    {
        if (!parameter.IsInvalid && TorchInternals.IsInference(parameter))
            throw new InvalidOperationException($"the parameter '{name}' cannot be trained: {TorchInternals.MadeInInference}.");
        if (!parameter.IsInvalid && FusedEngine.Takes(parameter) && parameter.is_contiguous()) return;
        throw new InvalidOperationException(
            $"the parameter '{name}' was moved, converted or disposed after its optimiser was made: make the optimiser after the model is where "
            + "it is to be trained (model.to(...) first, then Optimizer.Create).");
    }
}
