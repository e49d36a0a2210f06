using Noisy.Core;
using TorchSharp;
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

    /// <summary>The part of the pre-activations that does not depend on the state.</summary>
    /// <param name="input">[.., I]: of one time step, or of all in one product.</param>
    /// <returns>[.., G H]; owned by the caller.</returns>
    public Tensor Project(Tensor input)
    {
        if (input.dim() == 0 || input.shape[^1] != InputSize)
            throw new ArgumentException($"input is [{string.Join(", ", input.shape)}]: its last dimension must be {InputSize}", nameof(input));
        using var scope = NewDisposeScope();
        return cell.Project(Weights, input).MoveToOuterDisposeScope();
    }

    /// <summary>The step.</summary>
    /// <param name="projected">What <see cref="Project"/> gave for this time step, [B, G H].</param>
    /// <param name="state">States before it, each [B, H]; null stands for zeros.</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>States after it, owned by the caller.</returns>
    public Tensor[] Step(Tensor projected, Tensor[]? state, NoiseContext context)
    {
        using var scope = NewDisposeScope();
        var batch = projected.shape[0];
        state ??= [.. Enumerable.Range(0, cell.States).Select(_ => zeros([batch, HiddenSize], projected.dtype, projected.device))];
        foreach (var s in state)
        {
            if (!s.shape.SequenceEqual([batch, HiddenSize]))
                throw new ArgumentException($"the state is [{string.Join(", ", s.shape)}]: must be [{batch}, {HiddenSize}]", nameof(state));
        }

        var w = Weights;
        return [.. cell.Step(projected, w.WeightHh.t(), w, state, Activate).Select(s => s.MoveToOuterDisposeScope())];

        Tensor Activate(int site, Tensor pre)
        {
            var spec = cell.Sites[site];
            var p = !spec.UsesP ? null : spec.LearnP ? w.P!.select(0, site) : w.P!.select(0, site).detach();
            return SiteActivation.Apply(spec, pre, p, context.Child((uint)site), Engine);
        }
    }

    private RecurrentWeights Weights => RecurrentWeights.Of(owner, cell, "");
}
