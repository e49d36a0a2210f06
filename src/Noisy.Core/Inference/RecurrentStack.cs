using System.Globalization;

namespace Noisy.Core;

/// <summary>Trained LSTM or GRU layers, run forward without torch; immutable, so safe to share between threads.</summary>
/// <remarks>
/// Weights have torch's names, shapes and gate order (<c>weight_ih_l0</c> …), gap gains the name <c>p_l0</c>; a layer may have no biases. Runs in one
/// direction, several sequences side by side, without dropout. Precision: single, the bits of the engine that training runs on, for every vector
/// width, number of threads, and whatever other sequences there are; with weights of eight bits, bits of their own. Source: paper, Algorithm 1.
/// </remarks>
public sealed unsafe class RecurrentStack
{
    private readonly RecurrentLayer[] layers;
    private readonly uint moduleId;

    /// <summary>Takes the layers out of a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="prefix">What stands before torch's names: <c>lstm.</c> for a module's field of that name, or nothing.</param>
    /// <param name="activations">What replaces tanh and sigmoid, as in training.</param>
    /// <param name="scale">Noise scale c of every site; default each activation's own.</param>
    /// <param name="width">Vector width; default the best of this machine.</param>
    /// <param name="moduleId">Id that the module had in training: its number among the modules of its clock, default the first.
    /// Read only where noise is drawn.</param>
    /// <param name="precision">What the weights are held in; biases and gap gains stay in single precision.</param>
    /// <exception cref="InvalidDataException">A tensor is missing, has another shape, or is not finite and is to be held as integers; the message names
    /// it.</exception>
    /// <exception cref="InvalidSpecException">An activation is not valid.</exception>
    public RecurrentStack(
        SafetensorsContent file, string prefix, ActivationPair activations, double? scale = null, VectorWidth width = VectorWidth.Auto,
        uint moduleId = 0, WeightPrecision precision = WeightPrecision.Single)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentNullException.ThrowIfNull(activations);
        activations.Map(s => s.Validate());
        this.moduleId = moduleId;
        if (scale is { } c) NoisyFunction.CheckScale(c);
        if (file.Tensors.Keys.FirstOrDefault(n => n.StartsWith(prefix, StringComparison.Ordinal) && n.EndsWith("_reverse", StringComparison.Ordinal)) is { } name)
            throw new InvalidDataException($"its tensor '{name}' belongs to a layer that runs backwards, which is not supported here");
        var count = 1;
        while (file.Tensors.ContainsKey($"{prefix}weight_hh_l{count}")) count++;
        if (file.Tensors.Keys.Select(n => LayerOf(n, prefix)).Where(n => n >= count).DefaultIfEmpty(-1).Min() is var beyond and >= 0)
            throw new InvalidDataException($"it has tensors of the layer {beyond}, but no '{prefix}weight_hh_l{count}'");
        layers = [.. Enumerable.Range(0, count).Select(i => new RecurrentLayer(file, prefix, i, activations, scale, VectorWidths.Resolve(width), precision))];
        for (var i = 1; i < count; i++)
        {
            if (layers[i].Inputs != layers[i - 1].Units || layers[i].Units != HiddenSize || layers[i].IsGru != IsGru)
                throw new InvalidDataException($"its layers {i - 1} and {i} do not fit: they belong to different models");
        }
    }

    /// <summary>Layers.</summary>
    public int Layers => layers.Length;

    /// <summary>Features I of an input element.</summary>
    public int InputSize => layers[0].Inputs;

    /// <summary>Units H of a layer.</summary>
    public int HiddenSize => layers[0].Units;

    /// <summary>Whether the layers are GRUs, which have no cell state; otherwise they are LSTMs.</summary>
    public bool IsGru => layers[0].IsGru;

    /// <summary>The state before the first element: zeros.</summary>
    /// <param name="batch">Sequences B, ≥ 1.</param>
    public RecurrentState ZeroState(int batch = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        float[][] Zeros(int length) => [.. Enumerable.Range(0, Layers).Select(_ => new float[length])];
        return new(Zeros(batch * HiddenSize), Zeros(IsGru ? 0 : batch * HiddenSize), batch);
    }

    /// <summary>Runs all layers over one or several sequences, or over their next piece.</summary>
    /// <param name="input">[T, B, I], T ≥ 1; B as in the state.</param>
    /// <param name="state">State before it.</param>
    /// <param name="output">Receives the outputs of the last layer, [T, B, H].</param>
    /// <param name="context">What is done with noise: the draws are those of the module in training under the same context, for the same batch, and time
    /// step t of the piece is time step <see cref="NoiseContext.TimeStep"/> + t. Its scale is not read: that was given with the layers.</param>
    /// <param name="threads">Threads, ≥ 1; every number gives the same bits.</param>
    /// <returns>State after it. A sequence in pieces gives the bits of one in one go; without drawn noise, a column has the bits of the sequence
    /// alone.</returns>
    /// <exception cref="ArgumentException">Lengths do not fit, or the state is of another model.</exception>
    public RecurrentState Forward(ReadOnlySpan<float> input, RecurrentState state, Span<float> output, NoiseContext context, int threads = 1)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(context);
        Check(state);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        var batch = state.Batch;
        var steps = input.Length / (batch * InputSize);
        if (steps == 0 || input.Length != steps * batch * InputSize)
        {
            throw new ArgumentException(
                $"input has {input.Length} elements: must be rows of {InputSize}{(batch == 1 ? "" : $", {batch} for each time step")}, at least one", nameof(input));
        }

        if (output.Length != steps * batch * HiddenSize)
            throw new ArgumentException($"output has {output.Length} elements: must be {steps * batch * HiddenSize}", nameof(output));
        using var pass = Start(batch, steps, context);
        pass.Load(state);
        for (var first = 0; first < steps; first += pass.Steps)
        {
            var count = Math.Min(pass.Steps, steps - first);
            input.Slice(first * batch * InputSize, count * batch * InputSize).CopyTo(new Span<float>(pass.Input, count * batch * InputSize));
            ThreadTeam.Shared.Run(threads, member => pass.Run(member, count));
            for (var row = 0; row < count * batch; row++)
                new Span<float>(pass.Top + ((nint)row * pass.RowTop), HiddenSize).CopyTo(output[(((first * batch) + row) * HiddenSize)..]);
            pass.Advance(count);
        }

        return pass.Save(0, batch);
    }

    /// <summary>The number of the layer that a tensor belongs to by its name; −1 if it is none's.</summary>
    private static int LayerOf(string name, string prefix)
    {
        var at = name.LastIndexOf("_l", StringComparison.Ordinal);
        return at > prefix.Length && name.StartsWith(prefix, StringComparison.Ordinal)
            && name[prefix.Length..at] is "weight_ih" or "weight_hh" or "bias_ih" or "bias_hh" or "p"
            && int.TryParse(name.AsSpan(at + 2), NumberStyles.None, CultureInfo.InvariantCulture, out var layer)
                ? layer
                : -1;
    }

    /// <summary>Begins a pass from states of zeros.</summary>
    /// <param name="batch">Sequences.</param>
    /// <param name="steps">Time steps that will be run at a time, as far as the pass is made for so many.</param>
    /// <param name="context">The model's context.</param>
    internal RecurrentPass Start(int batch, int steps, NoiseContext context) => new(layers, batch, steps, context.Child(moduleId));

    /// <summary>Throws if a state is of another model.</summary>
    internal void Check(RecurrentState state)
    {
        if (state.Layers != Layers || state.Units != HiddenSize || state.Cell(0).IsEmpty != IsGru) throw new ArgumentException("the state is of another model", nameof(state));
    }
}
