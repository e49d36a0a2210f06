namespace Noisy.Core;

/// <summary>Single time steps, for models that decide between them: a layer of one step, whose input is projected elsewhere and whose
/// weights are packed once for many steps.</summary>
internal sealed unsafe partial class RecurrentKernel<V, TCell>
{
    internal override NativeBuffer PackStep(float* weightHh, int hidden, int threads)
    {
        var panels = GatePanels(hidden);
        var panelSize = StepPanel(hidden);
        var packed = BufferPool.Rent(panels * panelSize);
        ThreadTeam.Shared.Run(threads, member =>
        {
            var (first, end) = member.Share(panels);
            for (var panel = first; panel < end; panel++) PackGates(weightHh, hidden, panel, packed.Start + (panel * panelSize));
        });
        return packed;
    }

    internal override NativeBuffer PackStepBack(float* weightHh, int hidden, int threads)
    {
        var packed = BufferPool.Rent(Pairs(hidden) * (long)StepPanelBack(hidden));
        ThreadTeam.Shared.Run(threads, member =>
        {
            var (first, end) = member.Share(TCell.Gates * hidden);
            Panels.PackRows<V>(2, weightHh, hidden, first, end, hidden, packed.Start, StepPanelBack(hidden));
        });
        return packed;
    }

    internal override RecurrentTape Step(int batch, int hidden, StepInputs x, RecurrentNoise noise, RecurrentOutputs y, int threads)
    {
        var size = new RecurrentDimensions(1, batch, 1, hidden, Backwards: false);
        var tape = new RecurrentTape(size, TCell.Sites, TCell.HasCell, TCell.ReadsNoise, TCell.ReadsP, noise.Constants);
        if (TCell.ReadsP) Pad(x.Gains, TCell.Sites, hidden, tape.Gains, size.Padded);
        Pad(x.Hidden, batch, hidden, tape.Hidden, size.Padded);
        if (TCell.HasCell) Pad(x.Cell, batch, hidden, tape.Cell, size.Padded);
        var scratch = BufferPool.Rent(threads * CellSite.ScratchLength<TCell>());
        ThreadTeam.Shared.Run(threads, member =>
        {
            var part = new Part(member, batch, hidden, scratch.Start + (member.Index * CellSite.ScratchLength<TCell>()));
            var (first, end) = member.Share(batch);
            for (var row = first; row < end; row++) Place(tape, x, row);
            Draw(tape, part, noise, 0);
            part.EndStep();
            Recur(tape, part, noise, x.PackedHh, StepPanel(hidden), x.Hidden == null);
            member.Barrier();
            Copy(tape, y, member);
        });
        BufferPool.Return(scratch);
        return tape;
    }

    internal override void StepBack(RecurrentTape tape, float* packedHh, StepGradients grad, int threads)
    {
        var size = tape.Size;
        var (batch, hidden, padded) = (size.Batch, size.Hidden, size.Padded);
        var rowHidden = RowLength(hidden);
        long gates = (long)batch * RecurrentTape.Blocks * padded, sums = batch * rowHidden, carry = (long)batch * padded;
        var gains = TCell.ReadsP ? carry * TCell.Sites : 0;
        var work = BufferPool.Rent(gates + sums + carry + gains + ((long)threads * CellSite.ScratchLength<TCell>()));
        new Span<float>(work.Start + gates, checked((int)(sums + carry + gains))).Clear();
        var flow = new GradientFlow
        {
            Gates = work.Start, Hidden = work.Start + gates, Carry = work.Start + gates + sums, Gains = work.Start + gates + sums + carry,
            RowHidden = rowHidden, WeightHh = packedHh, WeightPanelHh = StepPanelBack(hidden),
        };
        var states = new RecurrentGradients { HiddenEnd = grad.HiddenEnd, CellEnd = grad.CellEnd, Hidden = grad.Hidden, Cell = grad.Cell };
        ThreadTeam.Shared.Run(threads, member =>
        {
            var part = new Part(member, batch, hidden, work.Start + gates + sums + carry + gains + (member.Index * CellSite.ScratchLength<TCell>()));
            RecurBack(tape, part, states, flow);
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
            }

            GradGains(size, grad.Gains, flow.Gains, member);
        });
        BufferPool.Return(work);

        void Take(float* from, float* to, nint at)
        {
            if (to != null) new ReadOnlySpan<float>(from, hidden).CopyTo(new Span<float>(to + at, hidden));
        }
    }

    /// <summary>Floats of a packed panel of two vectors of gates.</summary>
    private static long StepPanel(int hidden) => 2L * V.Count * hidden;

    /// <summary>Floats of a packed panel of two vectors of units, for the backward pass.</summary>
    private static nint StepPanelBack(int hidden) => (nint)TCell.Gates * hidden * 2 * V.Count;

    /// <summary>What an example's pre-activations begin with: the projected input and the biases.</summary>
    private static void Place(RecurrentTape tape, StepInputs x, nint row)
    {
        var (hidden, padded) = (tape.Size.Hidden, tape.Size.Padded);
        var gates = tape.Gates + (row * RecurrentTape.Blocks * padded);
        for (var gate = 0; gate < TCell.Gates; gate++)
        {
            Pad(x.FromInput + (((row * TCell.Gates) + gate) * hidden), 1, hidden, gates + (TCell.InputBlocks[gate] * padded), padded);
            if (!TCell.InputBlocks.Contains(TCell.RecurrentBlocks[gate])) Pad(null, 1, hidden, gates + (TCell.RecurrentBlocks[gate] * padded), padded);
        }

        for (var gate = 0; gate < TCell.Gates && x.BiasHh != null; gate++)
        {
            var to = gates + (TCell.RecurrentBlocks[gate] * padded);
            var bias = x.BiasHh + (gate * hidden);
            var unit = 0;
            for (; unit <= hidden - V.Count; unit += V.Count) (V.Load(in *to, (nuint)unit) + V.Load(in *bias, (nuint)unit)).Store(ref *to, (nuint)unit);
            for (; unit < hidden; unit++) to[unit] += bias[unit];
        }
    }
}
