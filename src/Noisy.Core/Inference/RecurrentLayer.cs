namespace Noisy.Core;

/// <summary>One layer over several sequences side by side, forward only.</summary>
/// <remarks>
/// The numbers are those of <see cref="RecurrentKernel"/>, bit for bit; but weights are packed once, and activations go through
/// <see cref="SpanKernels"/> site by site: for training a kernel is compiled for each pair of activations, which a program that
/// is compiled ahead of time would carry whole.
/// </remarks>
internal sealed unsafe class RecurrentLayer
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
    private readonly CellLoops loops;
    private readonly int units;
    private readonly int padded;

    /// <summary>Reads the weights of a layer.</summary>
    /// <param name="file">Where they are, with torch's shapes and gate order.</param>
    /// <param name="prefix">What stands before torch's names, such as <c>lstm.</c>.</param>
    /// <param name="layer">Number of the layer.</param>
    /// <param name="activations">What replaces sigmoid and tanh; valid.</param>
    /// <param name="scale">Noise scale c of every site; null takes each spec's own.</param>
    /// <param name="width">A definite vector width.</param>
    /// <param name="precision">What the weights are held in; biases and gains stay as they are.</param>
    /// <exception cref="InvalidDataException">A tensor is missing, has another shape, or cannot be held in that precision.</exception>
    internal RecurrentLayer(
        SafetensorsContent file, string prefix, int layer, ActivationPair activations, double? scale, VectorWidth width, WeightPrecision precision)
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
        loops = CellLoops.Create(width);
        inputs = PackedMatrix.Create(ih, gates, width, precision, inPieces: true);
        recurrent = PackedMatrix.Create(hh, gates, width, precision, inPieces: false);
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

    /// <summary>Units, padding included: the length of a row of states and outputs.</summary>
    internal int Padded => padded;

    /// <summary>Gates: blocks of pre-activations.</summary>
    internal int Gates => inputs.Blocks;

    /// <summary>Runs the layer: a member's share of it. All outputs are there when any member returns.</summary>
    /// <param name="run">Where everything lies.</param>
    /// <param name="member">Who works.</param>
    internal void Run(in LayerRun run, TeamMember member)
    {
        var part = new Part(this, run.Batch, member);
        Project(run, part, member);
        for (var t = 0; t < run.Steps; t++)
        {
            var place = new Place(this, run, t, part);
            if (isGru) Gru(place, part);
            else Lstm(place, part);
            if (!part.HasOwnRows) member.Barrier();
        }

        if (part.HasOwnRows) member.Barrier();
    }

    /// <summary>Pre-activations, without what comes from the step before.</summary>
    private void Project(in LayerRun run, in Part part, TeamMember member)
    {
        var rows = run.Steps * run.Batch;
        var (first, end) = part.HasOwnRows ? member.Share(rows) : (0, rows);
        fixed (float* bias = inputBias)
        {
            inputs.Multiply(
                new PackedOperands
                {
                    X = run.X + (first * run.RowX), RowX = run.RowX, Rows = end - first, Start = bias, BlockStart = padded, RowStart = 0,
                    Y = run.Gates + ((nint)first * padded), BlockY = (nint)rows * padded, RowY = padded,
                },
                0, Gates, part.FirstPanel, part.EndPanel);
        }

        if (part.HasOwnRows) member.Barrier(); // rows of all steps are shared; a member with units of its own needs these alone
    }

    /// <summary>Gates input, forget, candidate, output; sites the same, then the cell output.</summary>
    private void Lstm(in Place at, in Part part)
    {
        recurrent.Multiply(at.Recurrent, 0, 4, part.FirstPanel, part.EndPanel);
        for (var site = 0; site < 4; site++) Activate(at, site, at.Gate(site));
        var (rows, count) = at.Pieces;
        for (var r = 0; r < rows; r++)
        {
            loops.Cell(
                at.Gate(0) + at.Unit(r), at.Gate(1) + at.Unit(r), at.Gate(2) + at.Unit(r), at.Cell + at.Unit(r), at.Hidden + at.Unit(r), count);
        }

        Activate(at, 4, at.Hidden);
        for (var r = 0; r < rows; r++) loops.Output(at.Gate(3) + at.Unit(r), at.Hidden + at.Unit(r), count);
    }

    /// <summary>Gates and sites reset, update, candidate; the reset gate multiplies the candidate's recurrent part.</summary>
    private void Gru(in Place at, in Part part)
    {
        recurrent.Multiply(at.Recurrent, 0, 2, part.FirstPanel, part.EndPanel);
        fixed (float* bias = recurrentBias)
        {
            var inner = at.Recurrent with { Start = bias, BlockStart = padded, RowStart = 0, Y = at.Inner, BlockY = 0 };
            recurrent.Multiply(inner, 2, 3, part.FirstPanel, part.EndPanel);
        }

        Activate(at, 0, at.Gate(0));
        Activate(at, 1, at.Gate(1));
        var (rows, count) = at.Pieces;
        for (var r = 0; r < rows; r++) loops.Candidate(at.Gate(0) + at.Unit(r), at.Inner + at.Unit(r), at.Gate(2) + at.Unit(r), count);
        Activate(at, 2, at.Gate(2));
        for (var r = 0; r < rows; r++) loops.Mix(at.Gate(1) + at.Unit(r), at.Gate(2) + at.Unit(r), at.Before + at.Unit(r), at.Hidden + at.Unit(r), count);
    }

    /// <summary>Replaces the pre-activations of a site by its activations.</summary>
    /// <param name="at">Where the pass stands.</param>
    /// <param name="site">Number of the site.</param>
    /// <param name="x">First row.</param>
    private void Activate(in Place at, int site, float* x)
    {
        var (spec, p, c, context) = (sites[site], gains[site], scales[site], at.Run.Context);
        var noisy = spec.Noise != NoiseKind.None;
        var (rows, count) = at.Pieces;
        if (noisy && context.Mode == NoiseMode.ExactMean)
        {
            for (var r = 0; r < at.Rows; r++)
            {
                for (var u = at.First; u < Math.Min(units, at.End); u++)
                {
                    var place = x + ((nint)r * padded) + u;
                    *place = (float)NoisyMoments.Mean(spec, *place, spec.UsesP ? p[u] : 0, c);
                }
            }

            return;
        }

        if (noisy && context.Mode == NoiseMode.Sample) Draw(at, context.Key.Child((uint)site).At(context.Update, at.Time));
        for (var r = 0; r < rows; r++)
        {
            var noise = noisy ? new Span<float>(at.Noise + at.Unit(r), count) : default;
            if (noisy && context.Mode != NoiseMode.Sample) noise.Fill(NoiseModes.Constant(spec, context.Mode));
            var piece = new Span<float>(x + at.Unit(r), count);
            SpanKernels.Run(spec, c, piece, noise, at.IsWhole || p.Length == 0 ? p : p.AsSpan(at.First, count), piece, width);
        }
    }

    /// <summary>Draws a site's noise: unit u of column b is element b · H + u, as for the same batch in training.</summary>
    private void Draw(in Place at, NoiseStream stream)
    {
        var count = Math.Min(units, at.End) - at.First;
        if (count <= 0) return;
        for (var r = 0; r < at.Rows; r++)
            NoiseSampler.Normal(stream, ((long)at.Column(r) * units) + at.First, new Span<float>(at.Noise + at.Unit(r), count));
    }

    /// <summary>A member's part of every time step: rows of its own and all units, or all rows and units of its own.</summary>
    private readonly struct Part
    {
        internal readonly int FirstRow, EndRow, FirstPanel, EndPanel;

        /// <summary>Whether the rows are the member's own: it needs nothing from others until the last step is done.</summary>
        internal readonly bool HasOwnRows;

        internal Part(RecurrentLayer layer, int batch, TeamMember member)
        {
            HasOwnRows = RecurrentKernel.SharesRows(member, batch, (long)layer.Gates * layer.units * layer.units);
            (FirstRow, EndRow) = HasOwnRows ? member.Share(batch) : (0, batch);
            (FirstPanel, EndPanel) = HasOwnRows ? (0, layer.inputs.Panels) : member.Share(layer.inputs.Panels);
        }
    }

    /// <summary>A time step of a member's part: its rows, and its units of them.</summary>
    private readonly ref struct Place
    {
        private readonly nint row, padded, first;
        private readonly float* gates;

        internal Place(RecurrentLayer layer, in LayerRun run, int t, in Part part)
        {
            (Run, Time, padded, row) = (run, run.Context.TimeStep + run.Time + t, layer.padded, (nint)run.Batch * layer.padded);
            (FirstRow, Rows, first) = (part.FirstRow, part.EndRow - part.FirstRow, part.FirstRow * padded);
            (First, End) = layer.inputs.UnitsOf(part.FirstPanel, part.EndPanel);
            Before = run.History + (t * row) + first;
            gates = run.Gates + (t * row) + first;
        }

        internal LayerRun Run { get; }

        internal int First { get; }

        internal int End { get; }

        internal int Rows { get; }

        internal int Time { get; }

        private int FirstRow { get; }

        /// <summary>Whether these are all units, so that the rows are one piece.</summary>
        internal bool IsWhole => First == 0 && End == padded;

        /// <summary>How many pieces the units of all rows are, and how long each is.</summary>
        internal (int Count, int Length) Pieces => IsWhole ? (1, Rows * (int)padded) : End > First ? (Rows, End - First) : (0, 0);

        internal float* Before { get; }

        internal float* Hidden => Before + row;

        internal float* Cell => Run.Cell + first;

        internal float* Inner => Run.Inner + first;

        internal float* Noise => Run.Noise + first;

        internal PackedOperands Recurrent => new()
        {
            X = Before, RowX = padded, Rows = Rows, Start = gates, BlockStart = Run.Steps * row, RowStart = padded,
            Y = gates, BlockY = Run.Steps * row, RowY = padded,
        };

        internal float* Gate(int gate) => gates + (gate * Run.Steps * row);

        /// <summary>Column of the batch that a row belongs to.</summary>
        internal int Column(int r) => Run.Columns[FirstRow + r];

        /// <summary>Where a piece begins.</summary>
        internal nint Unit(int piece) => (piece * padded) + First;
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
