using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Time steps of <see cref="NoisyGruCell"/> or <see cref="NoisyLstmCell"/>, one after the other; the gradients in the weights are
/// made for all of them in one product.</summary>
/// <remarks>Dispose it after the forward pass, or begin it in a dispose scope that outlives that; the backward pass needs it no
/// more.</remarks>
public sealed class NoisyCellSteps : IDisposable
{
    private readonly NoisyCell owner;
    private readonly RecurrentCell cell;
    private readonly RecurrentWeights weights;
    private readonly StepWeights packed;
    private readonly Backend backend;
    private readonly Tensor? inputBias;
    private readonly StepLinear fromInput, fromState;
    private readonly bool records = is_grad_enabled();

    internal NoisyCellSteps(nn.Module module, NoisyCell owner)
    {
        (this.owner, cell, backend) = (owner, owner.Cell, owner.Backend);
        weights = RecurrentWeights.FromModule(module, cell, "");
        packed = new StepWeights(weights.WeightHh);
        inputBias = cell.InputBias(weights);
        fromInput = new StepLinear(weights.WeightIh, inputBias, backend);
        fromState = new StepLinear(weights.WeightHh, cell.RecurrentBias(weights), backend, packed.FreeBack);
    }

    // Whether gradients are recorded that were not when the sequence began: what was made then has none, and torch adds up each step's.
    private bool IsLate => !records && is_grad_enabled();

    /// <summary>The part of the pre-activations that does not depend on the state.</summary>
    /// <param name="input">[.., I]: of one time step, or of all in one product.</param>
    /// <returns>[.., G H], G the number of gates; owned by the caller.</returns>
    /// <exception cref="ArgumentException">The input is not so wide.</exception>
    public Tensor Project(Tensor input)
    {
        if (input.dim() == 0 || input.shape[^1] != owner.InputSize)
            throw new ArgumentException($"input is {Operand.Shape(input)}: its last dimension must be {owner.InputSize}", nameof(input));
        Operand.Like(weights.WeightHh, input, nameof(input));
        if (!IsLate) return fromInput.Apply(input);
        using var scope = NewDisposeScope();
        return cell.Project(weights, input).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        fromInput.Dispose();
        fromState.Dispose();
        packed.FreeForward();
        if (!ReferenceEquals(inputBias, weights.BiasIh)) inputBias?.Dispose(); // a sum that nobody else has
    }

    /// <summary>The step.</summary>
    /// <param name="projected">What <see cref="Project"/> gave for this time step, [B, G H].</param>
    /// <param name="state">States before it, each [B, H], an LSTM's hidden state first; null stands for zeros.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>States after it, owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape, a type or the number of states does not fit.</exception>
    public Tensor[] Step(Tensor projected, Tensor[]? state, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        context = owner.Own(context);
        var width = cell.Layout.Gates * owner.HiddenSize;
        if (projected.dim() != 2 || projected.shape[1] != width)
            throw new ArgumentException($"what was projected is {Operand.Shape(projected)}: must be [B, {width}]", nameof(projected));
        Operand.Like(weights.WeightHh, projected, nameof(projected));
        cell.CheckCount(state, nameof(state));
        var batch = projected.shape[0];
        foreach (var s in state ?? []) Operand.State(weights.WeightHh, s, nameof(state), batch, owner.HiddenSize);
        var p = cell.Gains(weights.P, context);
        var fused = backend == Backend.Auto && !IsLate && FusedStep.Takes(context.Mode, weights, projected, state);
        owner.LastBackend = fused ? FusedEngine.FusedName : FusedEngine.ComposedName;
        var next = fused
            ? FusedStep.Run(cell, fromState, packed, projected, p, state, context)
            : cell.Step(projected, fromState.Apply, state ?? Zeros(), Activate);
        return [.. next.Select(s => s.MoveToOuterDisposeScope())];

        Tensor[] Zeros() => [.. Enumerable.Range(0, cell.Layout.States).Select(_ => zeros([batch, owner.HiddenSize], projected.dtype, projected.device))];

        Tensor Activate(int site, Tensor pre) =>
            SiteActivation.Apply(cell.Sites[site], pre, cell.GainsOf(p, site), context.Child((uint)site), backend, owner.Address with { Site = site });
    }
}
