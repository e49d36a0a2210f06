using System.Diagnostics.CodeAnalysis;
using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What the recurrent modules share: <see cref="NoisyLstm"/>, <see cref="NoisyGru"/> and their cells.</summary>
/// <typeparam name="TState">The states before a pass, as torch's module takes them.</typeparam>
/// <typeparam name="TResult">What a pass gives, as torch's module gives it.</typeparam>
public abstract class RecurrentModule<TState, TResult> : nn.Module<Tensor, TState, TResult>, IRecurrence, INoisySites, IReached
{
    private bool reached;

    /// <summary>Creates the module; weights U(−1/√H, 1/√H) as in torch, from the clock's key.</summary>
    /// <param name="name">Name of the module, for torch.</param>
    /// <param name="activations">What replaces tanh and sigmoid.</param>
    /// <param name="clock">The model's clock; source of key, update and scale.</param>
    /// <param name="create">Creates the parameters, of this module at its address.</param>
    /// <param name="device">Where the parameters live; null is the CPU.</param>
    /// <param name="dtype">Their type; null is single precision.</param>
    internal RecurrentModule(
        string name, ActivationPair activations, NoiseClock clock, Func<nn.Module, ModuleNoise, IRecurrence> create, Device? device, ScalarType? dtype)
        : base(name)
    {
        ArgumentNullException.ThrowIfNull(activations);
        activations.Tanh.Validate();
        activations.Sigmoid.Validate();
        Activations = activations;
        Noise = new ModuleNoise(clock);
        Recurrence = create(this, Noise);
        if (device is null && dtype is null) return;
        this.to(device ?? CPU, dtype ?? ScalarType.Float32);
        foreach (var tensor in parameters().Concat(buffers())) tensor.DetachFromDisposeScope(); // the module owns them
    }

    /// <summary>What replaces tanh and sigmoid.</summary>
    public ActivationPair Activations { get; }

    /// <summary>Which implementation to run on; default the fused engine where it can.</summary>
    public Backend Backend
    {
        get => Recurrence.Backend;
        set => Recurrence.Backend = value;
    }

    /// <summary>Which implementation the last pass ran on: "fused-cpu" or "composed".</summary>
    public string LastBackend => Recurrence.LastBackend;

    bool IReached.Reached => reached;

    ModuleNoise INoisySites.Noise => Noise;

    string INoisySites.SiteName(SiteAddress site) => Recurrence.SiteName(site);

    string IRecurrence.SiteName(SiteAddress site) => Recurrence.SiteName(site);

    RecurrentCell IRecurrence.Cell => Recurrence.Cell;

    /// <summary>Layers or steps.</summary>
    internal IRecurrence Recurrence { get; }

    /// <summary>The module's address.</summary>
    internal ModuleNoise Noise { get; }

    /// <summary>A pass in the module's mode: layers run over a sequence, each call continuing where the update's last one ended; a cell
    /// takes a step, each call being the next time step of the update.</summary>
    /// <param name="input">Of layers [T, B, I], [B, T, I] if batch first, or [T, I] for one example alone; of a cell [B, I] or [I].</param>
    /// <param name="state">States before it: of layers [layers × directions, B, H] each, of a cell [B, H], without B for one example
    /// alone; null starts from zeros.</param>
    /// <returns>Of layers the output [T, B, H × directions] (or batch first) and the final states; of a cell the states after the step;
    /// owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public override TResult forward(Tensor input, [AllowNull] TState state)
    {
        NoteReached();
        var states = Split(state);
        return Join(Recurrence.Run(input, states, Noise.Next(training, Recurrence.TimeSteps(input, states))));
    }

    /// <summary>A pass from zeros in the module's mode.</summary>
    /// <inheritdoc cref="forward(Tensor, TState)"/>
    public TResult forward(Tensor input) => forward(input, default);

    /// <summary>A pass as the context says, whatever the module's mode.</summary>
    /// <param name="input">As in <see cref="forward(Tensor, TState)"/>.</param>
    /// <param name="state">As in <see cref="forward(Tensor, TState)"/>; null starts from zeros.</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <returns>As in <see cref="forward(Tensor, TState)"/>; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public TResult forward(Tensor input, [AllowNull] TState state, NoiseContext context)
    {
        NoteReached();
        return Join(Recurrence.Run(input, Split(state), context));
    }

    /// <summary>A pass from zeros in the module's mode, hooks included.</summary>
    /// <inheritdoc cref="forward(Tensor, TState)"/>
    public TResult call(Tensor input) => call(input, default!);

    int IRecurrence.TimeSteps(Tensor input, Tensor[]? states) => Recurrence.TimeSteps(input, states);

    Tensor[] IRecurrence.Run(Tensor input, Tensor[]? states, NoiseContext context) => Recurrence.Run(input, states, context);

    /// <summary>To be called at the beginning of every pass.</summary>
    private protected void NoteReached() => reached = true;

    /// <summary>The states one by one; null for none.</summary>
    internal abstract Tensor[]? Split(TState? state);

    /// <summary>A pass's results as torch's module gives them.</summary>
    /// <param name="results">What <see cref="IRecurrence.Run"/> gave.</param>
    internal abstract TResult Join(Tensor[] results);
}
