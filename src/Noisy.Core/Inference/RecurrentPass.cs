namespace Noisy.Core;

/// <summary>Several sequences on their way through the layers of a stack: states, and room for some time steps.</summary>
/// <remarks>Used by one caller at a time. Nothing is allocated from step to step.</remarks>
internal sealed unsafe class RecurrentPass : IDisposable
{
    // Rows of time and batch that pass a layer together: enough for fast products, and few enough for the caches.
    private const int MostRows = 512, MostSteps = 256;

    private readonly RecurrentLayer[] layers;
    private readonly NoiseContext[] contexts;
    private readonly NativeBuffer[] histories, cells;
    private readonly NativeBuffer gates, inner, noise;
    private readonly int units, padded;
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
        Input = new NativeBuffer(rows * layers[0].Inputs);
        histories = [.. layers.Select(_ => new NativeBuffer((rows * padded) + row))];
        cells = [.. layers.Select(layer => new NativeBuffer(layer.IsGru ? 0 : row))];
        gates = new NativeBuffer(rows * padded * layers[0].Gates);
        inner = new NativeBuffer(layers[0].IsGru ? row : 0);
        noise = new NativeBuffer(row);
    }

    /// <summary>Time steps that a pass of so many sequences is made for where there are many.</summary>
    internal static int StepsFor(int batch) => Math.Clamp(MostRows / batch, 1, MostSteps);

    /// <summary>Sequences that are still on their way.</summary>
    internal int Batch => columns.Length;

    /// <summary>Most time steps of a run.</summary>
    internal int Steps { get; }

    /// <summary>Receives the inputs of a run, [T · B, I].</summary>
    internal NativeBuffer Input { get; }

    /// <summary>Outputs of the last layer, [T · B] rows of <see cref="RowTop"/> floats.</summary>
    internal float* Top => histories[^1].Start + ((nint)Batch * padded);

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
                X = i == 0 ? Input.Start : histories[i - 1].Start + ((nint)Batch * padded), RowX = i == 0 ? layers[0].Inputs : padded,
                Steps = steps, Batch = Batch, History = histories[i].Start, Cell = cells[i].Start, Gates = gates.Start, Inner = inner.Start,
                Noise = noise.Start, Context = contexts[i], Time = time, Columns = columns,
            };
            layers[i].Run(run, member);
        }

        GC.KeepAlive(this); // the buffers' finalisers free what the layers read
    }

    /// <summary>Makes the states after a run those before the next; called once, when the team has ended.</summary>
    internal void Advance(int steps)
    {
        foreach (var history in histories)
        {
            var row = Batch * padded;
            new Span<float>(history.Start + ((nint)steps * row), row).CopyTo(new Span<float>(history.Start, row));
        }

        time += steps;
    }

    /// <summary>Goes on with some of the sequences; the noise of each stays its own.</summary>
    /// <param name="kept">Which, ascending.</param>
    internal void Keep(int[] kept)
    {
        foreach (var buffer in histories.Concat(layers[0].IsGru ? [] : cells))
        {
            for (var i = 0; i < kept.Length; i++) Row(buffer, kept[i]).CopyTo(Row(buffer, i));
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
                state.Hidden(i).Slice(b * units, units).CopyTo(Row(histories[i], b));
                if (!layers[i].IsGru) state.Cell(i).Slice(b * units, units).CopyTo(Row(cells[i], b));
            }
        }
    }

    /// <summary>A copy of some sequences' states.</summary>
    /// <param name="first">First sequence.</param>
    /// <param name="count">Sequences.</param>
    internal RecurrentState Save(int first, int count)
    {
        float[][] Copy(NativeBuffer[] buffers, bool there) => Array.ConvertAll(buffers, buffer =>
        {
            var copy = new float[there ? count * units : 0];
            for (var b = 0; b < count && there; b++) Row(buffer, first + b)[..units].CopyTo(copy.AsSpan(b * units));
            return copy;
        });
        return new RecurrentState(Copy(histories, true), Copy(cells, !layers[0].IsGru), count);
    }

    /// <summary>Sets a sequence's states to zeros.</summary>
    internal void Clear(int sequence)
    {
        foreach (var history in histories) Row(history, sequence).Clear();
        if (layers[0].IsGru) return;
        foreach (var cell in cells) Row(cell, sequence).Clear();
    }

    public void Dispose()
    {
        foreach (var buffer in histories.Concat(cells).Concat([Input, gates, inner, noise])) buffer.Dispose();
    }

    private Span<float> Row(NativeBuffer buffer, int sequence) => new(buffer.Start + ((nint)sequence * padded), padded);
}
