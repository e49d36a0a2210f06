namespace Noisy.Core;

/// <summary>The backward pass.</summary>
internal sealed unsafe partial class RecurrentKernel<V, TCell>
{
    private const int Slack = RecurrentSize.Lanes;

    internal override void Backward(RecurrentTape tape, RecurrentInputs x, RecurrentGradients grad, int threads)
    {
        using var work = new Workspace(tape.Size, threads);
        ThreadTeam.Shared.Run(threads, member =>
        {
            var size = tape.Size;
            var (first, end) = member.Share(Pairs(size.Hidden));
            for (var panel = first; panel < end; panel++) PackPanel(x.WeightHh, size.Hidden, size.Hidden, panel, work.Weights + (panel * work.PanelHh));
            member.Barrier();
            EngineProfile.Start(member);
            RecurBack(tape, new Part(member, size.Batch, Pairs(size.Hidden), work.Scratch(member.Index)), grad, work);
            member.Barrier();
            EngineProfile.Start(member);
            if (grad.Input != null) GradInput(tape, x, grad.Input, work, member);
            EngineProfile.Mark(member, EngineStage.GradInput);
            Interleave(tape, work, member);
            member.Barrier();
            EngineProfile.Mark(member, EngineStage.Interleave);
            if (grad.WeightIh.At != null) GradWeights(tape, x.Input, size.Inputs, TCell.InputBlocks, grad.WeightIh, work, member);
            if (grad.WeightHh.At != null) GradWeights(tape, null, size.Hidden, TCell.RecurrentBlocks, grad.WeightHh, work, member);
            EngineProfile.Mark(member, EngineStage.GradWeights);
            if (member.Index == member.Count - 1) GradSmall(tape, grad, work);
        });
    }

    /// <summary>A panel of two vectors of columns of a weight, all its rows.</summary>
    private static void PackPanel(float* weight, int columns, int units, int panel, float* target)
    {
        var first = panel * 2 * V.Count;
        var there = Math.Min(2 * V.Count, columns - first);
        Panels.PackRows<V>(weight + first, columns, TCell.Gates * units, there, target, Wide(there) * V.Count);
    }

    /// <summary>Vectors that a panel of so many columns needs.</summary>
    private static int Wide(int columns) => columns > V.Count ? 2 : 1;

    private void RecurBack(RecurrentTape tape, Part part, RecurrentGradients grad, Workspace work)
    {
        var size = tape.Size;
        nint padded = size.Padded, row = RecurrentTape.Blocks * padded;
        var (firstUnit, endUnit) = (part.FirstPair * 2 * V.Count, Math.Min(size.Hidden, part.EndPair * 2 * V.Count));
        for (var b = part.FirstRow; b < part.EndRow; b++)
        {
            for (var unit = firstUnit; unit < endUnit; unit++)
            {
                var from = ((nint)b * size.Hidden) + unit;
                work.GradHidden[(b * work.RowHidden) + unit] = grad.HiddenEnd != null ? grad.HiddenEnd[from] : 0;
                work.Carry[(b * padded) + unit] = grad.CellEnd != null && TCell.HasCell ? grad.CellEnd[from] : 0;
            }
        }

        EngineProfile.Mark(part.Member, EngineStage.Update);
        for (var i = size.Steps - 1; i >= 0; i--)
        {
            var t = size.StepAt(i);
            if (grad.Output != null)
            {
                for (var b = part.FirstRow; b < part.EndRow; b++)
                {
                    var from = grad.Output + ((((nint)t * size.Batch) + b) * size.Hidden);
                    var to = work.GradHidden + (b * work.RowHidden);
                    var unit = firstUnit;
                    for (; unit <= endUnit - V.Count; unit += V.Count)
                        (V.Load(in *(to + unit), 0) + V.Load(in *(from + unit), 0)).Store(ref *(to + unit), 0);
                    for (; unit < endUnit; unit++) to[unit] += from[unit];
                }
            }

            EngineProfile.Mark(part.Member, EngineStage.Norm);
            for (var b = part.FirstRow; b < part.EndRow; b++) Retreat(tape, part, i, t, b, work);
            EngineProfile.Mark(part.Member, EngineStage.GatesBack);
            part.EndStep();
            if (i == 0 && grad.Hidden == null) break;
            var gates = work.Gates + ((((nint)t * size.Batch) + part.FirstRow) * row);
            for (var panel = part.FirstPair; panel < part.EndPair; panel++)
            {
                var first = panel * 2 * V.Count;
                var wide = Wide(size.Hidden - first);
                var to = work.GradHidden + (part.FirstRow * work.RowHidden) + first;
                for (var gate = 0; gate < TCell.Gates; gate++)
                {
                    MatrixProduct.Multiply<V, RowMajor>(
                        part.Rows, wide, gates + (TCell.RecurrentBlocks[gate] * padded), row,
                        work.Weights + (panel * work.PanelHh) + ((nint)gate * size.Hidden * wide * V.Count), size.Hidden,
                        to, work.RowHidden, V.Count, gate == 0 ? null : to, work.RowHidden);
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
                var carry = work.Carry[(b * padded) + unit];
                if (grad.Hidden != null) grad.Hidden[to] = work.GradHidden[(b * work.RowHidden) + unit] + (TCell.HasCell ? 0 : carry);
                if (grad.Cell != null && TCell.HasCell) grad.Cell[to] = carry;
            }
        }
    }

    /// <summary>Gate arithmetic back, of the part's units of one example: along the memory, which comes from afar here.</summary>
    private void Retreat(RecurrentTape tape, Part part, int i, int t, int b, Workspace work)
    {
        var size = tape.Size;
        nint padded = size.Padded, unit = part.FirstPair * 2 * V.Count;
        var before = ((((nint)i * size.Batch) + b) * padded) + unit;
        var gates = ((((nint)t * size.Batch) + b) * RecurrentTape.Blocks * padded) + unit;
        var at = new CellPlace
        {
            Gates = tape.Gates + gates,
            GateStep = V.Count,
            Block = padded,
            Noise = tape.Noise + (t * tape.NoiseStep) + ((nint)b * tape.NoiseRow) + unit,
            NoiseSite = (nint)tape.NoiseSite,
            NoiseStep = V.Count,
            Gains = tape.Gains + unit,
            GainStep = V.Count,
            HiddenBefore = tape.Hidden + before,
            CellBefore = tape.Cell + before,
            Cell = tape.Cell + before + (size.Batch * padded),
            StateStep = V.Count,
            GradHidden = work.GradHidden + (b * work.RowHidden) + unit,
            GradHiddenStep = V.Count,
            Carry = work.Carry + (b * padded) + unit,
            GradGates = work.Gates + gates,
            GradGains = work.Gains + (b * TCell.Sites * padded) + unit,
            GradGainStep = V.Count,
            Scratch = part.Scratch,
        };
        var count = Math.Min(Vectors(size.Hidden), 2 * part.EndPair) - (2 * part.FirstPair);
        for (; count > 0; count -= CellPlace.MaxCount, at.Advance())
        {
            at.Count = Math.Min(CellPlace.MaxCount, count);
            _cell.Backward<V>(at);
        }
    }

    /// <summary>Gradient in the inputs; tasks are (panel of input columns, tile of rows).</summary>
    private static void GradInput(RecurrentTape tape, RecurrentInputs x, float* gradInput, Workspace work, TeamMember member)
    {
        var size = tape.Size;
        nint padded = size.Padded, row = RecurrentTape.Blocks * padded;
        float* panel = work.Panel(member.Index), edge = work.Edge(member.Index);
        var (height, width, packed) = (MatrixProduct.TileRows<V>(), 2 * V.Count, -1);
        var tiles = (size.Rows + height - 1) / height;
        var (first, end) = member.Share(tiles * ((size.Inputs + width - 1) / width));
        for (var task = first; task < end; task++)
        {
            var (column, r) = (task / tiles * width, task % tiles * height);
            if (packed != column)
            {
                PackPanel(x.WeightIh, size.Inputs, size.Hidden, task / tiles, panel);
                packed = column;
            }

            var (rows, columns) = (Math.Min(height, size.Rows - r), Math.Min(width, size.Inputs - column));
            var (whole, wide) = (columns == width, Wide(columns));
            var target = gradInput + ((nint)r * size.Inputs) + column;
            var to = whole ? target : edge;
            nint stride = whole ? size.Inputs : width;
            for (var gate = 0; gate < TCell.Gates; gate++)
            {
                MatrixProduct.Multiply<V, RowMajor>(
                    rows, wide, work.Gates + (r * row) + (TCell.InputBlocks[gate] * padded), row,
                    panel + ((nint)gate * size.Hidden * wide * V.Count), size.Hidden,
                    to, stride, V.Count, gate == 0 ? null : to, stride);
            }

            if (!whole) CopyEdge(edge, width, rows, columns, target, size.Inputs, add: false);
        }
    }

    /// <summary>Gates of all rows, interleaved by tiles of units, and their sums over the rows.</summary>
    private static void Interleave(RecurrentTape tape, Workspace work, TeamMember member)
    {
        var size = tape.Size;
        nint padded = size.Padded;
        var tiles = UnitTiles(size.Hidden);
        var (first, end) = member.Share(RecurrentTape.Blocks * tiles);
        for (var task = first; task < end; task++)
        {
            var (block, unit) = (task / tiles, task % tiles * MatrixTile.MaxRows);
            if (!Used(block)) continue;
            Panels.Interleave<V>(
                work.Gates + (block * padded) + unit, RecurrentTape.Blocks * padded, size.Rows,
                Math.Min(MatrixTile.MaxRows, size.Hidden - unit), work.Interleaved + (task * work.TileSize), work.Sums + (task * RecurrentSize.Lanes));
        }
    }

    private static int UnitTiles(int units) => (units + MatrixTile.MaxRows - 1) / MatrixTile.MaxRows;

    private static bool Used(int block) => TCell.InputBlocks.Contains((byte)block) || TCell.RecurrentBlocks.Contains((byte)block);

    /// <summary>Gradient in a weight; tasks are (panel of columns, gate, tile of units).</summary>
    private static void GradWeights(
        RecurrentTape tape, float* input, int columns, ReadOnlySpan<byte> blocks, GradientTarget grad, Workspace work, TeamMember member)
    {
        var size = tape.Size;
        float* panel = work.Panel(member.Index), edge = work.Edge(member.Index);
        var (width, packed) = (2 * V.Count, -1);
        var tiles = UnitTiles(size.Hidden);
        var perPanel = tiles * TCell.Gates;
        var (first, end) = member.Share(perPanel * ((columns + width - 1) / width));
        for (var task = first; task < end; task++)
        {
            var (column, gate, unit) = (task / perPanel * width, task % perPanel / tiles, task % tiles * MatrixTile.MaxRows);
            var there = Math.Min(width, columns - column);
            if (packed != column)
            {
                if (input != null) Panels.PackRows<V>(input + column, columns, size.Rows, there, panel, Wide(there) * V.Count);
                else PackStates(tape, column, there, panel);
                packed = column;
            }

            var rows = Math.Min(MatrixTile.MaxRows, size.Hidden - unit);
            var whole = there == width;
            var target = grad.At + ((((nint)gate * size.Hidden) + unit) * columns) + column;
            var to = whole ? target : edge;
            nint stride = whole ? columns : width;
            MatrixProduct.Multiply<V, InterleavedRows>(
                rows, Wide(there), work.Interleaved + (((blocks[gate] * tiles) + (unit / MatrixTile.MaxRows)) * work.TileSize), rows, panel, size.Rows,
                to, stride, V.Count, whole && grad.Add ? to : null, stride);
            if (!whole) CopyEdge(edge, width, rows, there, target, columns, grad.Add);
        }
    }

    /// <summary>Outputs of the step before, for every row of the sequence in the order of time.</summary>
    private static void PackStates(RecurrentTape tape, int column, int columns, float* panel)
    {
        var size = tape.Size;
        for (var t = 0; t < size.Steps; t++)
        {
            var i = size.Backwards ? size.Steps - 1 - t : t;
            Panels.PackRows<V>(
                tape.Hidden + ((nint)i * size.Batch * size.Padded) + column, size.Padded, size.Batch, columns,
                panel + ((nint)t * size.Batch * Wide(columns) * V.Count), Wide(columns) * V.Count);
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
    private static void GradSmall(RecurrentTape tape, RecurrentGradients grad, Workspace work)
    {
        var size = tape.Size;
        var tiles = UnitTiles(size.Hidden);
        for (var gate = 0; gate < TCell.Gates; gate++)
        {
            for (var unit = 0; unit < size.Hidden; unit++)
            {
                Put(grad.BiasIh, (gate * size.Hidden) + unit, work.Sum(TCell.InputBlocks[gate], tiles, unit));
                Put(grad.BiasHh, (gate * size.Hidden) + unit, work.Sum(TCell.RecurrentBlocks[gate], tiles, unit));
            }
        }

        if (grad.Gains.At == null || !TCell.ReadsP) return;
        for (var site = 0; site < TCell.Sites; site++)
        {
            for (var unit = 0; unit < size.Hidden; unit++)
            {
                float sum = 0;
                for (var b = 0; b < size.Batch; b++) sum += work.Gains[(((b * TCell.Sites) + site) * (nint)size.Padded) + unit];
                Put(grad.Gains, (site * size.Hidden) + unit, sum);
            }
        }

        static void Put(GradientTarget target, int i, float value)
        {
            if (target.At != null) target.At[i] = target.Add ? target.At[i] + value : value;
        }
    }

    /// <summary>Memory of one backward pass.</summary>
    private sealed class Workspace : IDisposable
    {
        private readonly NativeBuffer buffer;
        private readonly long panelSize;
        private readonly float* panels;

        internal Workspace(RecurrentSize size, int threads)
        {
            long padded = size.Padded, width = 2L * V.Count;
            RowHidden = (nint)((size.Hidden + width - 1) / width * width) + Slack;
            PanelHh = TCell.Gates * size.Hidden * width;
            TileSize = ((nint)size.Rows * MatrixTile.MaxRows) + Slack;
            var longest = Math.Max(size.Rows, (long)TCell.Gates * size.Hidden);
            panelSize = (longest * width) + CellSite.ScratchLength + (MatrixTile.MaxRows * width) + Slack;
            var gates = size.Rows * RecurrentTape.Blocks * padded;
            var tiles = (long)RecurrentTape.Blocks * UnitTiles(size.Hidden);
            var (hidden, carry, gains) = (size.Batch * RowHidden, size.Batch * padded, TCell.ReadsP ? size.Batch * TCell.Sites * padded : 0);
            var weights = Pairs(size.Hidden) * PanelHh;
            buffer = BufferPool.Rent(gates + Slack + (tiles * (TileSize + RecurrentSize.Lanes)) + hidden + carry + gains + weights + (threads * panelSize) + Slack);
            Gates = buffer.Start;
            Interleaved = Gates + gates + Slack;
            Sums = Interleaved + (tiles * TileSize);
            GradHidden = Sums + (tiles * RecurrentSize.Lanes);
            Carry = GradHidden + hidden;
            Gains = Carry + carry;
            Weights = Gains + gains;
            panels = Weights + weights;
            new Span<float>(GradHidden, checked((int)(hidden + carry + gains))).Clear();
        }

        /// <summary>Gradients in the pre-activations [T B, blocks, padded H].</summary>
        internal float* Gates { get; }

        /// <summary>The same by tiles of units, interleaved; and its sums over the rows.</summary>
        internal float* Interleaved { get; }

        internal float* Sums { get; }

        /// <summary>Gradient in the last output [B, row].</summary>
        internal float* GradHidden { get; }

        internal float* Carry { get; }

        /// <summary>Gradients in the gains [B, sites, padded H].</summary>
        internal float* Gains { get; }

        /// <summary>Panels of the recurrent weights.</summary>
        internal float* Weights { get; }

        internal nint RowHidden { get; }

        internal long PanelHh { get; }

        internal nint TileSize { get; }

        public void Dispose() => BufferPool.Return(buffer);

        /// <summary>A member's own panel, and a tile beside it.</summary>
        internal float* Panel(int member) => panels + (member * panelSize);

        internal float* Edge(int member) => Panel(member + 1) - (MatrixTile.MaxRows * 2 * V.Count) - Slack;

        internal float* Scratch(int member) => Edge(member) - CellSite.ScratchLength;

        internal float Sum(int block, int tiles, int unit) =>
            Sums[(((block * tiles) + (unit / MatrixTile.MaxRows)) * RecurrentSize.Lanes) + (unit % MatrixTile.MaxRows)];
    }
}
