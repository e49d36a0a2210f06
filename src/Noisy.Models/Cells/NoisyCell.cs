using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>One time step of a cell with its parameters.</summary>
internal sealed class NoisyCell : IRecurrence
{
    private readonly nn.Module owner;
    private readonly ModuleNoise noise;

    /// <summary>Creates the parameters.</summary>
    /// <param name="owner">The module whose parameters these are; they are looked up there by name.</param>
    /// <param name="cell">The cell.</param>
    /// <param name="inputSize">Features I of an input, ≥ 1.</param>
    /// <param name="hiddenSize">Units H, ≥ 1.</param>
    /// <param name="bias">Whether there are biases.</param>
    /// <param name="noise">The module's address.</param>
    public NoisyCell(nn.Module owner, RecurrentCell cell, long inputSize, long hiddenSize, bool bias, ModuleNoise noise)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(hiddenSize, 1);
        (this.owner, this.noise, Cell, InputSize, HiddenSize) = (owner, noise, cell, inputSize, hiddenSize);
        RecurrentWeights.Register(owner, cell, inputSize, hiddenSize, bias, noise.Init, "");
    }

    /// <inheritdoc/>
    public RecurrentCell Cell { get; }

    public long InputSize { get; }

    public long HiddenSize { get; }

    /// <inheritdoc/>
    public Backend Backend { get; set; } = FusedEngine.Default;

    /// <inheritdoc/>
    public string LastBackend { get; set; } = FusedEngine.ComposedName;

    /// <summary>Where its sites are.</summary>
    public SiteAddress Address => new(noise);

    /// <summary>A step's noise: that of the first layer of recurrent layers at the same address.</summary>
    public NoiseContext Own(NoiseContext context) => noise.Own(context, 0);

    /// <summary>The parameters as they are now.</summary>
    public RecurrentWeights Weights => RecurrentWeights.FromModule(owner, Cell, "");

    /// <summary>The steps of one sequence.</summary>
    public NoisyCellSteps Steps() => new(owner, this);

    /// <summary>A step of one batch, or of one example alone, as torch's cells take them.</summary>
    /// <param name="input">[B, I], or [I].</param>
    /// <param name="states">Before it, each [B, H], or [H]; null stands for zeros.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>States after it, each [B, H], or [H]; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public Tensor[] Run(Tensor input, Tensor[]? states, NoiseContext context)
    {
        Check(input, states);
        using var scope = NewDisposeScope();
        var alone = input.dim() == 1;
        if (alone) (input, states) = (input.unsqueeze(0), states?.Select(s => s.unsqueeze(0)).ToArray());
        return [.. Next(input, states, context).Select(s => (alone ? s.squeeze(0) : s).MoveToOuterDisposeScope())];
    }

    /// <summary>A step that knows of no other: a layer's sequence of one step, which is a single function.</summary>
    private Tensor[] Next(Tensor input, Tensor[]? states, NoiseContext context)
    {
        var weights = Weights;
        if (Backend == Backend.Auto && FusedStep.TakesCall(context.Mode, weights, input, states))
        {
            LastBackend = FusedEngine.FusedName;
            return FusedRecurrent.Run(Cell, weights with { P = Cell.Gains(weights.P, Own(context)) }, input.unsqueeze(0), states, backwards: false, Own(context)).End;
        }

        using var steps = Steps();
        return steps.Step(steps.Project(input), states, context);
    }

    /// <inheritdoc/>
    public string SiteName(SiteAddress site) => Cell.SiteNames[site.Site];

    /// <inheritdoc/>
    public int TimeSteps(Tensor input, Tensor[]? states)
    {
        Check(input, states);
        return 1;
    }

    private void Check(Tensor input, Tensor[]? state)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (input.dim() is not (1 or 2) || input.shape[^1] != InputSize)
            throw new ArgumentException($"input is {Operand.Shape(input)}: must be [B, {InputSize}] or [{InputSize}]", nameof(input));
        var weights = owner.get_parameter("weight_hh")!;
        Operand.Like(weights, input, nameof(input));
        Cell.CheckCount(state, nameof(state));
        foreach (var s in state ?? []) Operand.State(weights, s, nameof(state), [.. input.shape[..^1], HiddenSize]);
    }
}
