namespace Noisy.Core;

/// <summary>Single time steps, for models that decide between them.</summary>
internal sealed unsafe partial class RecurrentKernel<V, TCell>
{
    internal override RecurrentTape Step(int batch, int hidden, StepInputs x, RecurrentNoise noise, RecurrentOutputs y, int threads)
    {
        var size = new RecurrentDimensions(1, batch, 1, hidden, Backwards: false);
        var tape = new RecurrentTape(size, TCell.Sites, TCell.HasCell, TCell.ReadsNoise, TCell.ReadsP, noise.Constants);
        if (TCell.ReadsP) Pad(x.Gains, TCell.Sites, hidden, tape.Gains, size.Padded);
        Pad(x.Carried, batch, hidden, TCell.HasCell ? tape.Cell : tape.Hidden, size.Padded);
        var scratch = BufferPool.Rent(threads * CellSite.ScratchLength<TCell>());
        ThreadTeam.Shared.Run(threads, member =>
        {
            var part = new Part(member, batch, Pairs(hidden), scratch.Start + (member.Index * CellSite.ScratchLength<TCell>()));
            var (first, end) = member.Share(batch);
            for (var row = first; row < end; row++) Join(tape, x, row);
            Draw(tape, part, noise, 0);
            member.Barrier();
            for (var vector = 2 * part.FirstPair; vector < Math.Min(Vectors(hidden), 2 * part.EndPair); vector++) Advance(tape, part, 0, 0, vector * V.Count);
            member.Barrier();
            Copy(tape, y, member);
        });
        BufferPool.Return(scratch);
        return tape;
    }

    internal override void StepBack(RecurrentTape tape, StepGradients grad, int threads)
    {
        var size = tape.Size;
        var (batch, hidden, padded) = (size.Batch, size.Hidden, size.Padded);
        long gates = (long)batch * RecurrentTape.Blocks * padded, states = (long)batch * padded, gains = TCell.ReadsP ? states * TCell.Sites : 0;
        var work = BufferPool.Rent(gates + (2 * states) + gains + ((long)threads * CellSite.ScratchLength<TCell>()));
        var flow = new GradientFlow
        {
            Gates = work.Start, Hidden = work.Start + gates, Carry = work.Start + gates + states, Gains = work.Start + gates + (2 * states), RowHidden = padded,
        };
        Pad(grad.Hidden, batch, hidden, flow.Hidden, padded);
        Pad(TCell.HasCell ? grad.Cell : null, batch, hidden, flow.Carry, padded);
        new Span<float>(flow.Gains, checked((int)gains)).Clear();
        ThreadTeam.Shared.Run(threads, member =>
        {
            var part = new Part(member, batch, Pairs(hidden), work.Start + gates + (2 * states) + gains + (member.Index * CellSite.ScratchLength<TCell>()));
            for (var row = part.FirstRow; row < part.EndRow; row++) Retreat(tape, part, 0, 0, row, flow);
            member.Barrier();
            var (first, end) = member.Share(batch);
            for (nint row = first; row < end; row++)
            {
                var from = flow.Gates + (row * RecurrentTape.Blocks * padded);
                for (nint gate = 0; gate < TCell.Gates; gate++)
                {
                    var to = ((row * TCell.Gates) + gate) * hidden;
                    Take(from + (TCell.InputBlocks[(int)gate] * padded), grad.FromInput, to);
                    Take(from + (TCell.RecurrentBlocks[(int)gate] * padded), grad.FromState, to);
                }

                Take(flow.Carry + (row * padded), grad.Carried, row * hidden);
            }

            GradGains(size, grad.Gains, flow.Gains, member);
        });
        BufferPool.Return(work);

        void Take(float* from, float* to, nint at)
        {
            if (to != null) new ReadOnlySpan<float>(from, hidden).CopyTo(new Span<float>(to + at, hidden));
        }
    }

    /// <summary>The pre-activations of an example, by blocks.</summary>
    private static void Join(RecurrentTape tape, StepInputs x, nint row)
    {
        var (hidden, padded) = (tape.Size.Hidden, tape.Size.Padded);
        var gates = tape.Gates + (row * RecurrentTape.Blocks * padded);
        for (var gate = 0; gate < TCell.Gates; gate++)
        {
            var from = ((row * TCell.Gates) + gate) * hidden;
            var (input, state) = (TCell.InputBlocks[gate], TCell.RecurrentBlocks[gate]);
            Pad(x.FromInput + from, 1, hidden, gates + (input * padded), padded);
            if (input != state)
            {
                Pad(x.FromState + from, 1, hidden, gates + (state * padded), padded);
                continue;
            }

            var sum = gates + (input * padded);
            var add = x.FromState + from;
            var unit = 0;
            for (; unit <= hidden - V.Count; unit += V.Count) (V.Load(in *sum, (nuint)unit) + V.Load(in *add, (nuint)unit)).Store(ref *sum, (nuint)unit);
            for (; unit < hidden; unit++) sum[unit] += add[unit];
        }
    }
}
