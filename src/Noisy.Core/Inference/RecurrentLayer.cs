namespace Noisy.Core;

/// <summary>One layer, one sequence, forward only.</summary>
/// <remarks>
/// The numbers are those of <see cref="RecurrentKernel"/>, bit for bit; but weights are packed once, and activations go through
/// <see cref="SpanKernels"/> site by site: for training a kernel is compiled for each pair of activations, which a program that
/// is compiled ahead of time would carry whole.
/// </remarks>
internal sealed class RecurrentLayer
{
    private readonly bool isGru;
    private readonly NoisyActivationSpec[] sites;
    private readonly double[] scales;
    private readonly float[][] gains;
    private readonly PackedMatrix inputs;
    private readonly PackedMatrix recurrent;
    private readonly float[] inputBias;
    private readonly float[] recurrentBias;
    private readonly VectorWidth width;
    private readonly int units;
    private readonly int padded;

    /// <summary>Reads the weights of a layer.</summary>
    /// <param name="file">Where they are, with torch's shapes and gate order.</param>
    /// <param name="prefix">What stands before torch's names, such as <c>lstm.</c>.</param>
    /// <param name="layer">Number of the layer.</param>
    /// <param name="activations">What replaces sigmoid and tanh; valid.</param>
    /// <param name="scale">Noise scale c of every site; null takes each spec's own.</param>
    /// <param name="width">A definite vector width.</param>
    /// <exception cref="InvalidDataException">A tensor is missing or has another shape.</exception>
    internal RecurrentLayer(SafetensorsContent file, string prefix, int layer, ActivationPair activations, double? scale, VectorWidth width)
    {
        FloatTensor Get(string name) => file.Tensor($"{prefix}{name}_l{layer}");
        var hh = Get("weight_hh");
        units = hh.Shape.Count == 2 ? hh.Shape[1] : 0;
        isGru = units > 0 && hh.Shape[0] == 3 * units;
        var gates = isGru ? 3 : 4;
        if (units == 0 || hh.Shape[0] != gates * units) throw new InvalidDataException($"its tensor {hh} is neither an LSTM's nor a GRU's");
        var ih = Get("weight_ih");
        if (ih.Shape.Count != 2 || ih.Shape[1] == 0) throw new InvalidDataException($"its tensor {ih} should be [{gates * units}, inputs]");
        ih.WithShape(gates * units, ih.Shape[1]);
        sites = isGru ? GruOperator.Sites(activations) : LstmOperator.Sites(activations);
        scales = [.. sites.Select(s => scale ?? s.C)];
        this.width = width;
        padded = Padding.RoundUp(units);
        inputs = PackedMatrix.Create(ih, gates, width);
        recurrent = PackedMatrix.Create(hh, gates, width);
        inputBias = new float[gates * padded];
        recurrentBias = new float[gates * padded];
        if (file.Tensors.ContainsKey($"{prefix}bias_ih_l{layer}") || file.Tensors.ContainsKey($"{prefix}bias_hh_l{layer}"))
        {
            Add(Get("bias_ih").WithShape(gates * units), gates, inputBias);
            Add(Get("bias_hh").WithShape(gates * units), isGru ? 2 : gates, inputBias);
            if (isGru) Add(Get("bias_hh"), gates, recurrentBias);
        }

        var p = sites.Any(s => s.UsesP) ? Get("p").WithShape(sites.Length, units) : null;
        gains = [.. sites.Select((s, i) => p is null || !s.UsesP ? [] : Pad(p.Values.AsSpan(i * units, units)))];
    }

    internal bool IsGru => isGru;

    internal int Inputs => inputs.Depth;

    internal int Units => units;

    /// <summary>Runs the layer.</summary>
    /// <param name="x">[steps, inputs].</param>
    /// <param name="steps">Time steps, ≥ 1.</param>
    /// <param name="hidden">h before the first step [H]; overwritten with that after the last.</param>
    /// <param name="cell">Likewise c; empty for a GRU.</param>
    /// <param name="y">Receives the outputs [steps, H].</param>
    /// <param name="context">The layer's context.</param>
    internal void Run(ReadOnlySpan<float> x, int steps, Span<float> hidden, Span<float> cell, Span<float> y, NoiseContext context)
    {
        var projected = new float[steps * inputs.Outputs];
        inputs.Multiply(x, steps, inputBias, projected);
        var step = new Step(this, context, hidden, cell);
        for (var t = 0; t < steps; t++)
        {
            step.Advance(projected.AsSpan(t * inputs.Outputs, inputs.Outputs), t);
            step.Hidden.CopyTo(y.Slice(t * units, units));
        }

        step.Hidden.CopyTo(hidden);
        step.Cell.CopyTo(cell);
    }

    /// <summary>What one pass keeps from step to step.</summary>
    private sealed class Step
    {
        private readonly RecurrentLayer layer;
        private readonly NoiseContext context;
        private readonly float[] hidden, cell, gates, noise;

        internal Step(RecurrentLayer layer, NoiseContext context, ReadOnlySpan<float> hidden, ReadOnlySpan<float> cell)
        {
            (this.layer, this.context) = (layer, context);
            this.hidden = layer.Pad(hidden);
            this.cell = layer.Pad(cell);
            gates = new float[layer.recurrent.Outputs];
            noise = new float[layer.padded];
        }

        internal ReadOnlySpan<float> Hidden => hidden.AsSpan(0, layer.units);

        internal ReadOnlySpan<float> Cell => layer.isGru ? [] : cell.AsSpan(0, layer.units);

        internal void Advance(ReadOnlySpan<float> projected, int t)
        {
            if (layer.isGru) Gru(projected, t);
            else Lstm(projected, t);
        }

        /// <summary>Gates input, forget, candidate, output; sites the same, then the cell output.</summary>
        private void Lstm(ReadOnlySpan<float> projected, int t)
        {
            layer.recurrent.Multiply(hidden, 1, projected, gates);
            Span<float> input = Gate(0), forget = Gate(1), candidate = Gate(2), output = Gate(3);
            Activate(0, t, input);
            Activate(1, t, forget);
            Activate(2, t, candidate);
            Activate(3, t, output);
            for (var u = 0; u < cell.Length; u++) cell[u] = MathF.FusedMultiplyAdd(forget[u], cell[u], input[u] * candidate[u]);
            cell.CopyTo(hidden, 0);
            Activate(4, t, hidden);
            for (var u = 0; u < hidden.Length; u++) hidden[u] = output[u] * hidden[u];
        }

        /// <summary>Gates and sites reset, update, candidate; the reset gate multiplies the candidate's recurrent part.</summary>
        private void Gru(ReadOnlySpan<float> projected, int t)
        {
            var padded = layer.padded;
            Span<float> start = new float[gates.Length];
            projected[..(2 * padded)].CopyTo(start);
            layer.recurrentBias.AsSpan(2 * padded).CopyTo(start[(2 * padded)..]);
            layer.recurrent.Multiply(hidden, 1, start, gates);
            Span<float> reset = Gate(0), update = Gate(1), candidate = Gate(2);
            Activate(0, t, reset);
            Activate(1, t, update);
            for (var u = 0; u < padded; u++) candidate[u] = MathF.FusedMultiplyAdd(reset[u], candidate[u], projected[(2 * padded) + u]);
            Activate(2, t, candidate);
            for (var u = 0; u < padded; u++) hidden[u] = MathF.FusedMultiplyAdd(update[u], hidden[u] - candidate[u], candidate[u]);
        }

        private Span<float> Gate(int gate) => gates.AsSpan(gate * layer.padded, layer.padded);

        /// <summary>Replaces the pre-activations of a site by its activations.</summary>
        private void Activate(int site, int t, Span<float> x)
        {
            var (spec, p, c) = (layer.sites[site], layer.gains[site], layer.scales[site]);
            if (spec.Noise != NoiseKind.None && context.Mode == NoiseMode.ExactMean)
            {
                for (var u = 0; u < layer.units; u++) x[u] = (float)NoisyMoments.Mean(spec, x[u], spec.UsesP ? p[u] : 0, c);
                return;
            }

            if (spec.Noise != NoiseKind.None)
            {
                if (context.Mode == NoiseMode.Sample)
                    NoiseSampler.Normal(context.Key.Child((uint)site).At(context.Update, context.TimeStep + t), 0, noise.AsSpan(0, layer.units));
                else
                    noise.AsSpan().Fill(NoiseModes.Constant(spec, context.Mode));
            }

            SpanKernels.Run(spec, c, x, spec.Noise == NoiseKind.None ? default : noise, p, x, layer.width);
        }
    }

    private float[] Pad(ReadOnlySpan<float> values)
    {
        var to = new float[padded];
        values.CopyTo(to);
        return to;
    }

    private void Add(FloatTensor bias, int gates, float[] to)
    {
        for (var gate = 0; gate < gates; gate++)
        {
            for (var u = 0; u < units; u++) to[(gate * padded) + u] += bias.Values[(gate * units) + u];
        }
    }
}
