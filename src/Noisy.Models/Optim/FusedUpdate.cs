using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Running values of a parameter, as torch's optimiser keeps them.</summary>
/// <param name="First">Of the parameter's size; null for none.</param>
/// <param name="Second">Further ones.</param>
/// <param name="Step">Number of this step, from 1.</param>
internal readonly record struct Running(Tensor? First, Tensor? Second, long Step);

/// <summary>What an optimiser of torch's does in a step and before it, as one pass over all memory.</summary>
internal static class FusedUpdate
{
    /// <summary>Makes a step: by the engine, or as torch does where something is not for the engine.</summary>
    /// <param name="groups">Parameters with their options.</param>
    /// <param name="states">State of each parameter, by its handle.</param>
    /// <param name="closure">Computes the loss anew, and gradients; null if they are there.</param>
    /// <param name="method">A group's method; null if it is none of ours.</param>
    /// <param name="running">A parameter's running values in this step.</param>
    /// <param name="count">Counts the step.</param>
    /// <param name="torchs">torch's step.</param>
    /// <returns>What the closure gives.</returns>
    internal static Tensor? Make<TOptions, TState>(
        IList<ParamGroup> groups, OrderedDict<nint, OptimizerState> states, Func<Tensor>? closure,
        Func<TOptions, OptimizerSpec?> method, Func<TState, Parameter, OptimizerSpec, Running> running, Action<TState> count, Func<Tensor?> torchs)
        where TOptions : OptimizerOptions
        where TState : OptimizerState
    {
        var loss = Evaluate(closure);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        List<(OptimizerSpec Spec, double Rate, Parameter Parameter, Tensor Gradient, TState State, Running Running)> due = [];
        HashSet<nint> known = [];
        foreach (var group in groups)
        {
            var spec = method((TOptions)group.Options);
            foreach (var parameter in group.Parameters)
            {
                if (!states.TryGetValue(parameter.Handle, out var state))
                {
                    throw new InvalidOperationException(
                        $"the model has a parameter [{string.Join(", ", parameter.shape)}] that it had not when this optimiser was made: make the "
                        + "optimiser after Noisify.Replace and whatever else gives the model new parameters.");
                }

                if (parameter.grad is not { } gradient) continue;
                var values = spec is null ? default : running((TState)state, parameter, spec);
                if (spec is null || !Takes(parameter, gradient, known) || !Takes(values.First) || !Takes(values.Second))
                {
                    torchs();
                    return loss;
                }

                due.Add((spec, group.LearningRate, parameter, gradient, (TState)state, values));
            }
        }

        foreach (var alike in due.GroupBy(d => (d.Spec, d.Rate, d.Running.Step)))
        {
            // Running values of rows that were not looked up decay too, and so do weights.
            List<WeightSegment> segments = [];
            var (spec, rate, step) = alike.Key;
            var sparse = spec.States == 0 && spec.WeightDecay == 0;
            foreach (var d in alike) GradientSegments.Add(segments, d.Parameter, d.Gradient, sparse, trusted: false, d.Running.First, d.Running.Second);
            OptimizerKernel.Step(spec, [.. segments], rate, 1, step, FusedEngine.Width, FusedEngine.Threads);
        }

        foreach (var d in due)
        {
            count(d.State);
            TorchInternals.Changed(d.Parameter); // a backward pass that still needs the old weights must not take the new ones
        }

        return loss;
    }

    /// <summary>Fills gradients with zeros.</summary>
    internal static void ZeroGrad(IEnumerable<Parameter> parameters)
    {
        foreach (var parameter in parameters)
        {
            using var gradient = parameter.grad;
            if (gradient is not null) GradientMemory.For(parameter).Zero(gradient);
        }
    }

    /// <summary>Clips the norm of a gradient; see <see cref="FusedOptim.clip_grad_norm_"/>.</summary>
    internal static double Clip(IReadOnlyList<Parameter> parameters, double most, double normType)
    {
        using var scope = NewDisposeScope();
        HashSet<nint> known = [];
        var due = parameters.Select(p => (Parameter: p, Gradient: p.grad)).Where(d => d.Gradient is not null).ToList();
        if (normType != 2 || !due.TrueForAll(d => Takes(d.Parameter, d.Gradient!, known))) return nn.utils.clip_grad_norm_(parameters, most, normType);
        var rows = Segments(sparse: true);
        var norm = Math.Sqrt(OptimizerKernel.SquaredNorm(rows, FusedEngine.Width, FusedEngine.Threads));
        var factor = Math.Min(1, most / (norm + 1e-6));
        if (factor == 1) return norm;
        var zerosStay = double.IsFinite(factor);
        OptimizerKernel.Scale(zerosStay ? rows : Segments(sparse: false), factor, FusedEngine.Width, FusedEngine.Threads);
        foreach (var (parameter, gradient) in due) GradientMemory.For(parameter).Changed(gradient!, zerosStay);
        return norm;

        WeightSegment[] Segments(bool sparse)
        {
            List<WeightSegment> segments = [];
            foreach (var (parameter, gradient) in due) GradientSegments.Add(segments, parameter, gradient!, sparse, trusted: false);
            return [.. segments];
        }
    }

    /// <summary>Has parameters of a group lie in huge pages.</summary>
    internal static void Prepare(ParamGroup group)
    {
        foreach (var parameter in group.Parameters.Where(FusedEngine.TakesInPlace)) GradientSegments.InHugePages(parameter);
    }

    private static Tensor? Evaluate(Func<Tensor>? closure)
    {
        if (closure is null) return null;
        using var _ = enable_grad();
        return closure();
    }

    private static bool Takes(Tensor? running) => running is null || FusedEngine.TakesInPlace(running);

    /// <summary>Whether the engine can change a parameter, which it has not come across before under another name: threads would meet
    /// in its memory.</summary>
    private static unsafe bool Takes(Parameter parameter, Tensor gradient, HashSet<nint> known) =>
        FusedEngine.TakesInPlace(parameter) && FusedEngine.TakesInPlace(gradient)
        && (parameter.numel() == 0 || known.Add((nint)FusedEngine.Pointer(parameter)));
}
