namespace Noisy.Core;

/// <summary>The backward pass.</summary>
internal sealed unsafe partial class RecurrentKernel<V, TCell>
{
    // Vectors of a panel in products over all time steps; the recurrence itself has two.
    private const int Most = 3;

    private const int Slack = Padding.Lanes;

    internal override void Backward(RecurrentTape tape, RecurrentInputs x, RecurrentGradients grad, int threads)
    {
        using var work = new Workspace(tape.Size, threads);
        ThreadTeam.Shared.Run(threads, member =>
        {
            var size = tape.Size;
            EngineProfile.Start(member);
            var (first, end) = member.Share(TCell.Gates * size.Hidden);
            Panels.PackRows<V>(2, x.WeightHh, size.Hidden, first, end, size.Hidden, work.WeightHh, work.WeightPanelHh);
            if (grad.Input != null) Panels.PackRows<V>(Most, x.WeightIh, size.Inputs, first, end, size.Inputs, work.WeightIh, work.WeightPanelIh);
            member.Barrier();
            EngineProfile.Mark(member, EngineStage.Pack);
            RecurBack(tape, new Part(member, size.Batch, size.Hidden, work.Scratch(member.Index)), grad, work.Flow);
            member.Barrier();
            EngineProfile.Mark(member, EngineStage.Wait);
            if (grad.Input != null) GradInput(tape, grad.Input, work, member);
            EngineProfile.Mark(member, EngineStage.GradInput);
            Interleave(tape, work, member);
            PackValues(tape, x.Input, work, member);
            member.Barrier();
            EngineProfile.Mark(member, EngineStage.Pack);
            if (grad.WeightIh.At != null) GradWeights(tape, size.Inputs, TCell.InputBlocks, work.Inputs, grad.WeightIh, work, member);
            if (grad.WeightHh.At != null) GradWeights(tape, size.Hidden, TCell.RecurrentBlocks, work.States, grad.WeightHh, work, member);
            GradSmall(tape, grad, work, member);
            EngineProfile.Mark(member, EngineStage.GradWeights);
        });
    }

    /// <summary>Inputs, and outputs of the step before, of all rows in the order of time, in panels.</summary>
    private static void PackValues(RecurrentTape tape, float* input, Workspace work, TeamMember member)
    {
        var size = tape.Size;
        var (first, end) = member.Share(size.Rows);
        Panels.PackRows<V>(Most, input, size.Inputs, first, end, size.Inputs, work.Inputs, (nint)work.ValuePanel);
        if (!size.Backwards)
        {
            Panels.PackRows<V>(Most, tape.Hidden, size.Padded, first, end, size.Hidden, work.States, (nint)work.ValuePanel);
            return;
        }

        // The states of time step t come T − 1 − t places from the start, examples in their order.
        for (var row = first; row < end; row++)
        {
            var (t, b) = (row / size.Batch, row % size.Batch);
            var from = ((nint)(size.Steps - 1 - t) * size.Batch) + b;
            Panels.PackRows<V>(Most, tape.Hidden + ((from - row) * size.Padded), size.Padded, row, row + 1, size.Hidden, work.States, (nint)work.ValuePanel);
        }
    }

    private void RecurBack(RecurrentTape tape, Part part, RecurrentGradients grad, GradientFlow flow)
    {
        var size = tape.Size;
        nint padded = size.Padded, row = RecurrentTape.Blocks * padded;
        var (firstUnit, endUnit) = (part.FirstPair * 2 * V.Count, Math.Min(size.Hidden, part.EndPair * 2 * V.Count));
        for (var b = part.FirstRow; b < part.EndRow; b++)
        {
            for (var unit = firstUnit; unit < endUnit; unit++)
            {
                var from = ((nint)b * size.Hidden) + unit;
                flow.Hidden[(b * flow.RowHidden) + unit] = grad.HiddenEnd != null ? grad.HiddenEnd[from] : 0;
                flow.Carry[(b * padded) + unit] = grad.CellEnd != null && TCell.HasCell ? grad.CellEnd[from] : 0;
            }
        }

        for (var i = size.Steps - 1; i >= 0; i--)
        {
            var t = size.StepAt(i);
            if (grad.Output != null)
            {
                for (var b = part.FirstRow; b < part.EndRow; b++)
                {
                    var from = grad.Output + ((((nint)t * size.Batch) + b) * size.Hidden);
                    var to = flow.Hidden + (b * flow.RowHidden);
                    var unit = firstUnit;
                    for (; unit <= endUnit - V.Count; unit += V.Count)
                        (V.Load(in *(to + unit), 0) + V.Load(in *(from + unit), 0)).Store(ref *(to + unit), 0);
                    for (; unit < endUnit; unit++) to[unit] += from[unit];
                }
            }

            for (var b = part.FirstRow; b < part.EndRow; b++) Retreat(tape, part, i, t, b, flow);
            EngineProfile.Mark(part.Member, EngineStage.GatesBack);
            part.EndStep();
            if (i == 0 && grad.Hidden == null) break;
            var gates = flow.Gates + ((((nint)t * size.Batch) + part.FirstRow) * row);
            for (var panel = part.FirstPair; panel < part.EndPair; panel++)
            {
                var first = panel * 2 * V.Count;
                var wide = Panels.Wide<V>(2, size.Hidden - first);
                var to = flow.Hidden + (part.FirstRow * flow.RowHidden) + first;
                var from = flow.WeightHh + (panel * flow.WeightPanelHh);
                for (var gate = 0; gate < TCell.Gates; gate++)
                {
                    var next = gate + 1 < TCell.Gates ? from + ((nint)size.Hidden * wide * V.Count)
                        : flow.WeightHh + ((panel + 1 < part.EndPair ? panel + 1 : part.FirstPair) * flow.WeightPanelHh);
                    MatrixProduct.Multiply<V, RowMajor>(
                        part.Rows, wide, gates + (TCell.RecurrentBlocks[gate] * padded), row, from, wide * V.Count, size.Hidden,
                        to, flow.RowHidden, V.Count, gate == 0 ? null : to, flow.RowHidden, next);
                    from = next;
                }
            }

            EngineProfile.Mark(part.Member, EngineStage.RecurrentProductBack);
        }

        EngineProfile.Mark(part.Member, EngineStage.RecurrentProductBack);
        for (var b = part.FirstRow; b < part.EndRow; b++)
        {
            for (var unit = firstUnit; unit < endUnit; unit++)
            {
                var to = ((nint)b * size.Hidden) + unit;
                var carry = flow.Carry[(b * padded) + unit];
                if (grad.Hidden != null) grad.Hidden[to] = flow.Hidden[(b * flow.RowHidden) + unit] + (TCell.HasCell ? 0 : carry);
                if (grad.Cell != null && TCell.HasCell) grad.Cell[to] = carry;
            }
        }
    }

    /// <summary>Gate arithmetic back, of the part's units of one example: along the memory, which comes from afar here.</summary>
    private void Retreat(RecurrentTape tape, Part part, int i, int t, int b, in GradientFlow flow)
    {
        var size = tape.Size;
        nint padded = size.Padded, unit = part.FirstPair * 2 * V.Count;
        var before = ((((nint)i * size.Batch) + b) * padded) + unit;
        var gates = ((((nint)t * size.Batch) + b) * RecurrentTape.Blocks * padded) + unit;
        var at = new CellPlace
        {
            Gates = tape.Gates + gates,
            GateStride = V.Count,
            Block = padded,
            Noise = tape.Noise + (t * tape.NoiseStride) + ((nint)b * tape.NoiseRow) + unit,
            NoiseSite = (nint)tape.NoiseSite,
            NoiseStride = V.Count,
            Gains = tape.Gains + unit,
            GainStride = V.Count,
            HiddenBefore = tape.Hidden + before,
            CellBefore = tape.Cell + before,
            Cell = tape.Cell + before + (size.Batch * padded),
            StateStride = V.Count,
            GradHidden = flow.Hidden + (b * flow.RowHidden) + unit,
            GradHiddenStride = V.Count,
            Carry = flow.Carry + (b * padded) + unit,
            GradGates = flow.Gates + gates,
            GradGains = flow.Gains + (b * TCell.Sites * padded) + unit,
            GradGainStride = V.Count,
            Scratch = part.Scratch,
        };
        var count = Math.Min(Vectors(size.Hidden), 2 * part.EndPair) - (2 * part.FirstPair);
        for (; count > 0; count -= CellPlace.MaxCount, at.Advance())
        {
            at.Count = Math.Min(CellPlace.MaxCount, count);
            cell.Backward<V>(at);
        }
    }

    /// <summary>Gradient in the inputs.</summary>
    private static void GradInput(RecurrentTape tape, float* gradInput, Workspace work, TeamMember member)
    {
        var size = tape.Size;
        nint padded = size.Padded, row = RecurrentTape.Blocks * padded;
        var width = Most * V.Count;
        var whole = size.Inputs / width * width;
        var edge = work.Edge(member.Index);
        var (first, end) = member.Share(size.Rows);
        var block = MatrixProduct.BlockRows(size.Hidden);
        for (var r = first; r < end; r += block)
        {
            // A gate's rows pass all columns before the next gate's come; the columns that do not fill a panel wait in a buffer of their own.
            var rows = Math.Min(block, end - r);
            var target = gradInput + ((nint)r * size.Inputs);
            for (var gate = 0; gate < TCell.Gates; gate++)
            {
                for (var column = 0; column < whole; column += width) Add(r, rows, gate, column, Most, target + column, size.Inputs);
                if (whole < size.Inputs) Add(r, rows, gate, whole, Panels.Wide<V>(Most, size.Inputs - whole), edge, width);
            }

            if (whole < size.Inputs) CopyEdge(edge, width, rows, size.Inputs - whole, target + whole, size.Inputs, add: false);
        }

        void Add(int r, int rows, int gate, int column, int wide, float* to, nint stride)
        {
            var weights = work.WeightIh + (column / width * work.WeightPanelIh) + ((nint)gate * size.Hidden * wide * V.Count);
            MatrixProduct.MultiplyMany<V, RowMajor>(
                rows, wide, work.Gates + (r * row) + (TCell.InputBlocks[gate] * padded), row, weights, wide * V.Count, size.Hidden,
                to, stride, V.Count, gate == 0 ? null : to, stride, weights + work.WeightPanelIh, (nint)size.Hidden * wide * V.Count);
        }
    }

    /// <summary>Gates of all rows, interleaved by tiles of units, and their sums over the rows.</summary>
    private static void Interleave(RecurrentTape tape, Workspace work, TeamMember member)
    {
        const int group = 16; // tiles in one walk over the rows
        var size = tape.Size;
        nint padded = size.Padded;
        var (tiles, groups) = (UnitTiles(size.Hidden), (UnitTiles(size.Hidden) + group - 1) / group);
        var (first, end) = member.Share(RecurrentTape.Blocks * groups);
        for (var task = first; task < end; task++)
        {
            var (block, tile) = (task / groups, task % groups * group);
            if (!Used(block)) continue;
            var (unit, number) = (tile * MatrixTile.MaxRowsOfThree, (block * tiles) + tile);
            Panels.Interleave<V>(
                work.Gates + (block * padded) + unit, RecurrentTape.Blocks * padded, size.Rows,
                Math.Min(group * MatrixTile.MaxRowsOfThree, size.Hidden - unit), work.Interleaved + (number * work.TileSize), work.TileSize,
                work.Sums + (number * Padding.Lanes));
        }
    }

    private static int UnitTiles(int units) => (units + MatrixTile.MaxRowsOfThree - 1) / MatrixTile.MaxRowsOfThree;

    private static bool Used(int block) => TCell.InputBlocks.Contains((byte)block) || TCell.RecurrentBlocks.Contains((byte)block);

    /// <summary>Gradient in a weight. A member has tiles of units; a few tiles at a time pass all panels of columns.</summary>
    private static void GradWeights(
        RecurrentTape tape, int columns, ReadOnlySpan<byte> blocks, float* values, GradientTarget grad, Workspace work, TeamMember member)
    {
        const int group = 10; // tiles
        var size = tape.Size;
        var width = Most * V.Count;
        var edge = work.Edge(member.Index);
        var tiles = UnitTiles(size.Hidden);
        var (first, end) = member.Share(tiles * TCell.Gates);
        for (var begin = first; begin < end; begin += group)
        {
            for (var column = 0; column < columns; column += width)
            {
                var there = Math.Min(width, columns - column);
                var (whole, wide) = (there == width, Panels.Wide<V>(Most, there));
                for (var tile = begin; tile < Math.Min(end, begin + group); tile++)
                {
                    var (gate, unit) = (tile / tiles, tile % tiles * MatrixTile.MaxRowsOfThree);
                    var rows = Math.Min(MatrixTile.MaxRowsOfThree, size.Hidden - unit);
                    var target = grad.At + ((((nint)gate * size.Hidden) + unit) * columns) + column;
                    var to = whole ? target : edge;
                    nint stride = whole ? columns : width;
                    MatrixProduct.Multiply<V, InterleavedRows>(
                        rows, wide, work.Interleaved + (((blocks[gate] * tiles) + (unit / MatrixTile.MaxRowsOfThree)) * work.TileSize), rows,
                        values + (column / width * work.ValuePanel), wide * V.Count, size.Rows, to, stride, V.Count, whole && grad.Add ? to : null, stride);
                    if (!whole) CopyEdge(edge, width, rows, there, target, columns, grad.Add);
                }
            }
        }
    }

    private static void CopyEdge(float* edge, int width, int rows, int columns, float* target, nint stride, bool add)
    {
        for (var r = 0; r < rows; r++, edge += width, target += stride)
        {
            for (var i = 0; i < columns; i++) target[i] = add ? target[i] + edge[i] : edge[i];
        }
    }

    /// <summary>Gradients in biases and gains: sums that are already there, in an order that no thread count changes.</summary>
    private static void GradSmall(RecurrentTape tape, RecurrentGradients grad, Workspace work, TeamMember member)
    {
        var size = tape.Size;
        var tiles = UnitTiles(size.Hidden);
        var (first, end) = member.Share(TCell.Gates);
        for (var gate = first; gate < end; gate++)
        {
            for (var unit = 0; unit < size.Hidden; unit++)
            {
                grad.BiasIh.Put((gate * size.Hidden) + unit, work.Sum(TCell.InputBlocks[gate], tiles, unit));
                grad.BiasHh.Put((gate * size.Hidden) + unit, work.Sum(TCell.RecurrentBlocks[gate], tiles, unit));
            }
        }

        GradGains(size, grad.Gains, work.Gains, member);
    }

    /// <summary>Gradients in the gains, from those of each example, [B, sites, padded H], of which the first example's become sums.</summary>
    private static void GradGains(RecurrentDimensions size, GradientTarget grad, float* gains, TeamMember member)
    {
        if (grad.At == null || !TCell.ReadsP) return;
        var (first, end) = member.Share(TCell.Sites);
        for (var site = first; site < end; site++)
        {
            var sum = new Span<float>(gains + ((nint)site * size.Padded), size.Hidden);
            for (var b = 1; b < size.Batch; b++)
            {
                var next = new ReadOnlySpan<float>(gains + (((b * TCell.Sites) + site) * (nint)size.Padded), size.Hidden);
                for (var unit = 0; unit < sum.Length; unit++) sum[unit] += next[unit];
            }

            for (var unit = 0; unit < sum.Length; unit++) grad.Put((site * size.Hidden) + unit, sum[unit]);
        }
    }

    /// <summary>Gradients on their way through the gates of a time step.</summary>
    private struct GradientFlow
    {
        /// <summary>In the pre-activations [T B, blocks, padded H]; written.</summary>
        internal float* Gates;

        /// <summary>In the output after the step, [B, row].</summary>
        internal float* Hidden;

        /// <summary>What is carried from step to step, [B, padded H]; see <see cref="CellPlace.Carry"/>.</summary>
        internal float* Carry;

        /// <summary>In the gains of each example, [B, sites, padded H]; added to.</summary>
        internal float* Gains;

        /// <summary>Floats from row to row of <see cref="Hidden"/>.</summary>
        internal nint RowHidden;

        /// <summary>Panels of the recurrent weights, and the floats of one.</summary>
        internal float* WeightHh;

        internal nint WeightPanelHh;
    }

    /// <summary>Floats from row to row of the gradient in the last output.</summary>
    private static nint RowLength(int hidden) => (nint)(Pairs(hidden) * 2L * V.Count) + Slack;
}
