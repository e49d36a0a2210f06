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

    public EnginePath Engine { get; set; } = FusedEngine.Path;

    /// <summary>Which implementation the last step ran on, by the name that summaries use.</summary>
    public string LastPath { get; set; } = FusedEngine.ComposedName;

    /// <summary>The steps of one sequence.</summary>
    public NoisyCellSteps Steps() => new(owner, cell, this);
}
