namespace Noisy.Core;

/// <summary>Several sequences on their way through the layers of a stack: states, and room for some time steps.</summary>
/// <remarks>Used by one caller at a time. Nothing is allocated from step to step.</remarks>
internal sealed unsafe class RecurrentPass : IDisposable
{
    // Rows of time and batch that pass a layer together: enough for fast products, and few enough for the caches.
    private const int MostRows = 512, MostSteps = 256;

    private readonly RecurrentLayer[] layers;
    private readonly NoiseContext[] contexts;
    private readonly float* gates, inner, noise, states;
    private readonly nint history, cells; // floats of a layer's hidden states, and of its cell states, which follow them
    private readonly int units, padded;
    private NativeBuffer? buffer;
    private int[] columns;
    private int time;

    /// <summary>Makes a pass whose states are zeros.</summary>
    /// <param name="layers">The layers.</param>
    /// <param name="batch">Sequences, ≥ 1.</param>
    /// <param name="steps">Most time steps of a <see cref="Run"/>; no more than <see cref="StepsFor"/> says are allowed.</param>
    /// <param name="context">The module's own context; its time step belongs to the first step.</param>
    internal RecurrentPass(RecurrentLayer[] layers, int batch, int steps, NoiseContext context)
    {
        this.layers = layers;
        (units, padded) = (layers[0].Units, layers[0].Padded);
        (columns, Steps) = ([.. Enumerable.Range(0, batch)], Math.Min(steps, StepsFor(batch)));
        contexts = [.. layers.Select((_, i) => context.Child((uint)i))];
        var (rows, row) = ((long)Steps * batch, (long)batch * padded);
        var isGru = layers[0].IsGru;
        (history, cells) = ((nint)((rows * padded) + row), isGru ? 0 : (nint)row);
        long input = rows * layers[0].Inputs, own = layers.Length * (history + cells), allGates = rows * padded * layers[0].Gates;
        buffer = BufferPool.Rent(input + own + allGates + (isGru ? row : 0) + row);
        var parts = new BufferParts(buffer.Start);
        states = parts.Take(own);
        noise = parts.Take(row);
        inner = parts.Take(isGru ? row : 0);
        gates = parts.Take(allGates);
        Input = parts.Take(input);
        for (var b = 0; b < batch; b++) Clear(b);
        new Span<float>(noise, checked((int)row)).Clear(); // where padding has none drawn
    }

    /// <summary>Time steps that a pass of so many sequences is made for where there are many.</summary>
    internal static int StepsFor(int batch) => Math.Clamp(MostRows / batch, 1, MostSteps);

    /// <summary>Sequences that are still on their way.</summary>
    internal int Batch => columns.Length;

    /// <summary>Most time steps of a run.</summary>
    internal int Steps { get; }

    /// <summary>Receives the inputs of a run, [T · B, I].</summary>
    internal float* Input { get; }

    /// <summary>Outputs of the last layer, [T · B] rows of <see cref="RowTop"/> floats.</summary>
    internal float* Top => History(layers.Length - 1) + ((nint)Batch * padded);

    internal int RowTop => padded;

    /// <summary>Runs all layers over the input; called by each member of a team, for whom all outputs are there afterwards.</summary>
    /// <param name="member">Who works.</param>
    /// <param name="steps">Time steps, ≥ 1.</param>
    internal void Run(TeamMember member, int steps)
    {
        for (var i = 0; i < layers.Length; i++)
        {
            var run = new LayerRun
            {
                X = i == 0 ? Input : History(i - 1) + ((nint)Batch * padded), RowX = i == 0 ? layers[0].Inputs : padded,
                Steps = steps, Batch = Batch, History = History(i), Cell = Cell(i), Gates = gates, Inner = inner,
                Noise = noise, Context = contexts[i], Time = time, Columns = columns,
            };
            layers[i].Run(run, member);
        }

        GC.KeepAlive(this); // the buffer's finaliser frees what the layers read
    }

    /// <summary>Makes the states after a run those before the next; called once, when the team has ended.</summary>
    internal void Advance(int steps)
    {
        var row = Batch * padded;
        for (var i = 0; i < layers.Length; i++) new Span<float>(History(i) + ((nint)steps * row), row).CopyTo(new Span<float>(History(i), row));

        time += steps;
    }

    /// <summary>Goes on with some of the sequences; the noise of each stays its own.</summary>
    /// <param name="kept">Which, ascending.</param>
    internal void Keep(int[] kept)
    {
        for (var layer = 0; layer < layers.Length; layer++)
        {
            for (var i = 0; i < kept.Length; i++)
            {
                Row(History(layer), kept[i]).CopyTo(Row(History(layer), i));
                if (cells > 0) Row(Cell(layer), kept[i]).CopyTo(Row(Cell(layer), i));
            }
        }

        columns = Array.ConvertAll(kept, i => columns[i]);
    }

    /// <summary>Takes states over.</summary>
    /// <param name="state">Of as many sequences, and of this model.</param>
    internal void Load(RecurrentState state)
    {
        for (var i = 0; i < layers.Length; i++)
        {
            for (var b = 0; b < Batch; b++)
            {
                state.Hidden(i).Slice(b * units, units).CopyTo(Row(History(i), b));
                if (cells > 0) state.Cell(i).Slice(b * units, units).CopyTo(Row(Cell(i), b));
            }
        }
    }

    /// <summary>A copy of some sequences' states.</summary>
    /// <param name="first">First sequence.</param>
    /// <param name="count">Sequences.</param>
    internal RecurrentState Save(int first, int count)
    {
        var (hidden, cell) = (new float[layers.Length][], new float[layers.Length][]);
        for (var i = 0; i < layers.Length; i++) (hidden[i], cell[i]) = (Copy(History(i), true), Copy(Cell(i), cells > 0));
        GC.KeepAlive(this); // the buffer's finaliser frees what was read
        return new RecurrentState(hidden, cell, count);

        float[] Copy(float* from, bool there)
        {
            var copy = new float[there ? count * units : 0];
            for (var b = 0; b < count && there; b++) Row(from, first + b)[..units].CopyTo(copy.AsSpan(b * units));
            return copy;
        }
    }

    /// <summary>Sets a sequence's states to zeros.</summary>
    internal void Clear(int sequence)
    {
        for (var i = 0; i < layers.Length; i++)
        {
            Row(History(i), sequence).Clear();
            if (cells > 0) Row(Cell(i), sequence).Clear();
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref buffer, null) is { } owned) BufferPool.Return(owned);
    }

    private float* History(int layer) => states + (layer * (history + cells));

    private float* Cell(int layer) => History(layer) + history;

    private Span<float> Row(float* first, int sequence) => new(first + ((nint)sequence * padded), padded);
}
