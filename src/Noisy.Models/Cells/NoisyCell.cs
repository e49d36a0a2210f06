using Noisy.Core;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>One time step of a cell with its parameters; what <see cref="NoisyGruCell"/> and <see cref="NoisyLstmCell"/> share.</summary>
internal sealed class NoisyCell
{
    private readonly nn.Module owner;
    private readonly RecurrentCell cell;

    /// <summary>Creates the parameters and hands them to the module for registration.</summary>
    public NoisyCell(
        nn.Module owner, RecurrentCell cell, long inputSize, long hiddenSize, NoiseKey init, Action<string, Parameter> parameter, Action<string, Tensor> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(hiddenSize, 1);
        (this.owner, this.cell, InputSize, HiddenSize) = (owner, cell, inputSize, hiddenSize);
        RecurrentWeights.Register(cell, inputSize, hiddenSize, init, "", parameter, buffer);
    }

    public long InputSize { get; }

    public long HiddenSize { get; }

    public Backend Backend { get; set; } = FusedEngine.Default;

    /// <summary>Which implementation the last step ran on, by the name that summaries use.</summary>
    public string LastBackend { get; set; } = FusedEngine.ComposedName;

    /// <summary>The steps of one sequence.</summary>
    public NoisyCellSteps Steps() => new(owner, cell, this);

    /// <summary>A step of one batch, or of one example alone, as torch's cells take them.</summary>
    /// <param name="input">[B, I], or [I].</param>
    /// <param name="state">States before it, each [B, H], or [H]; null stands for zeros.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>States after it, each [B, H], or [H]; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public Tensor[] Forward(Tensor input, Tensor[]? state, NoiseContext context)
    {
        Check(input, state);
        using var scope = NewDisposeScope();
        var alone = input.dim() == 1;
        if (alone) (input, state) = (input.unsqueeze(0), state?.Select(s => s.unsqueeze(0)).ToArray());
        var steps = Steps();
        var next = steps.Step(steps.Project(input), state, context);
        return [.. next.Select(s => (alone ? s.squeeze(0) : s).MoveToOuterDisposeScope())];
    }

    /// <summary>Checks a step's input and states, before the clock counts it.</summary>
    public void Check(Tensor input, Tensor[]? state)
    {
        if (input.dim() is not (1 or 2) || input.shape[^1] != InputSize)
            throw new ArgumentException($"input is {Operand.Shape(input)}: must be [B, {InputSize}] or [{InputSize}]", nameof(input));
        var weights = owner.get_parameter("weight_hh")!;
        Operand.Like(weights, input, nameof(input));
        foreach (var s in state ?? []) Operand.State(weights, s, nameof(state), [.. input.shape[..^1], HiddenSize]);
    }
}
