namespace Noisy.Core;

/// <summary>Trained LSTM or GRU layers, run forward without torch; immutable, so safe to share between threads.</summary>
/// <remarks>
/// Weights have torch's names, shapes and gate order (<c>weight_ih_l0</c> …), gap gains the name <c>p_l0</c>; a layer may have no biases. Runs in one
/// direction, one sequence at a time, without dropout. Precision: single, the bits of the engine that training runs on, for
/// every vector width. Source: paper, Algorithm 1.
/// </remarks>
public sealed class RecurrentStack
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
    /// <exception cref="InvalidDataException">A tensor is missing or has another shape; the message names it.</exception>
    /// <exception cref="InvalidSpecException">An activation is not valid.</exception>
    public RecurrentStack(
        SafetensorsContent file, string prefix, ActivationPair activations, double? scale = null, VectorWidth width = VectorWidth.Auto,
        uint moduleId = 0)
    {
        activations.Map(s => s.Validate());
        this.moduleId = moduleId;
        if (scale is { } c) NoisyFunction.CheckScale(c);
        if (file.Tensors.Keys.FirstOrDefault(n => n.StartsWith(prefix, StringComparison.Ordinal) && n.EndsWith("_reverse", StringComparison.Ordinal)) is { } name)
            throw new InvalidDataException($"its tensor '{name}' belongs to a layer that runs backwards, which is not supported here");
        var count = 1;
        while (file.Tensors.ContainsKey($"{prefix}weight_hh_l{count}")) count++;
        layers = [.. Enumerable.Range(0, count).Select(i => new RecurrentLayer(file, prefix, i, activations, scale, VectorWidths.Resolve(width)))];
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
    public RecurrentState ZeroState() => new(Zeros(HiddenSize), Zeros(IsGru ? 0 : HiddenSize));

    /// <summary>Runs all layers over a sequence, or over its next piece.</summary>
    /// <param name="input">[T, I], T ≥ 1.</param>
    /// <param name="state">State before it.</param>
    /// <param name="output">Receives the outputs of the last layer, [T, H].</param>
    /// <param name="context">What is done with noise: the draws are those of the module in training under the same context, and time step t of
    /// the piece is time step <see cref="NoiseContext.TimeStep"/> + t. Its scale is not read: that was given with the layers.</param>
    /// <returns>State after it. A sequence in pieces gives the bits of one in one go.</returns>
    /// <exception cref="ArgumentException">Lengths do not fit, or the state is of another model.</exception>
    public RecurrentState Forward(ReadOnlySpan<float> input, RecurrentState state, Span<float> output, NoiseContext context)
    {
        var steps = input.Length / InputSize;
        if (steps == 0 || input.Length != steps * InputSize)
            throw new ArgumentException($"input has {input.Length} elements: must be rows of {InputSize}, at least one", nameof(input));
        if (output.Length != steps * HiddenSize)
            throw new ArgumentException($"output has {output.Length} elements: must be {steps * HiddenSize}", nameof(output));
        if (state.Layers != Layers || state.Hidden(0).Length != HiddenSize || state.Cell(0).IsEmpty != IsGru)
            throw new ArgumentException("the state is of another model", nameof(state));
        var (hidden, cell) = (Zeros(HiddenSize), Zeros(IsGru ? 0 : HiddenSize));
        var own = context.Child(moduleId);
        var (x, y) = (input.ToArray(), new float[output.Length]);
        for (var i = 0; i < Layers; i++)
        {
            state.Hidden(i).CopyTo(hidden[i]);
            state.Cell(i).CopyTo(cell[i]);
            layers[i].Run(x, steps, hidden[i], cell[i], y, own.Child((uint)i));
            (x, y) = (y, i == 0 ? new float[output.Length] : x);
        }

        x.AsSpan().CopyTo(output);
        return new RecurrentState(hidden, cell);
    }

    private float[][] Zeros(int length) => [.. Enumerable.Range(0, Layers).Select(_ => new float[length])];
}
