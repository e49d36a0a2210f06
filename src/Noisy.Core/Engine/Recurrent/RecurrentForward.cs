namespace Noisy.Core;

/// <summary>The forward pass.</summary>
internal sealed unsafe partial class RecurrentKernel<V, TCell>
{
    internal override RecurrentTape Forward(RecurrentDimensions size, RecurrentInputs x, RecurrentNoise noise, RecurrentOutputs y, int threads)
    {
        var tape = new RecurrentTape(size, TCell.Sites, TCell.HasCell, TCell.ReadsNoise, TCell.ReadsP, noise.Constants);
        var (panels, triples) = (GatePanels(size.Hidden), TCell.Gates * Triples(size.Hidden));
        long padded = size.Padded, panelIh = 3L * V.Count * size.Inputs, panelHh = 2L * V.Count * size.Hidden;
        var scratch = BufferPool.Rent((triples * panelIh) + (panels * panelHh) + (RecurrentTape.Blocks * padded) + (threads * CellSite.ScratchLength<TCell>()));
        var ih = scratch.Start;
        var hh = ih + (triples * panelIh);
        var bias = hh + (panels * panelHh);
        var room = bias + (RecurrentTape.Blocks * padded);
        Start(tape, x, bias);
        ThreadTeam.Shared.Run(threads, member =>
        {
            EngineProfile.Start(member);
            var (first, end) = member.Share(panels);
            for (var panel = first; panel < end; panel++) PackGates(x.WeightHh, size.Hidden, panel, hh + (panel * panelHh));
            (first, end) = member.Share(triples);
            for (var triple = first; triple < end; triple++) PackInputWeights(x.WeightIh, size, triple, ih + (triple * panelIh));

            member.Barrier();
            EngineProfile.Mark(member, EngineStage.Pack);
            Project(tape, x.Input, ih, panelIh, bias, member);
            var part = new Part(member, size.Batch, size.Hidden, room + (member.Index * CellSite.ScratchLength<TCell>()));
            Draw(tape, part, noise, size.StepAt(0));
            member.Barrier();
            EngineProfile.Mark(member, EngineStage.Project);
            Recur(tape, part, noise, hh, panelHh, x.Hidden == null);
            member.Barrier();
            Copy(tape, y, member);
        });
        BufferPool.Return(scratch);
        return tape;
    }

    /// <summary>Panels of the gates: vectors in the order unit vector, gate; two a panel.</summary>
    private static int GatePanels(int units) => ((Vectors(units) * TCell.Gates) + 1) / 2;

    /// <summary>Whether a panel holds two vectors: all but perhaps the last.</summary>
    private static int Wide(int panel, int units) => (2 * panel) + 1 < Vectors(units) * TCell.Gates ? 2 : 1;

    /// <summary>Where a vector of a panel belongs in a row of gates.</summary>
    private static nint Place(int vector, ReadOnlySpan<byte> blocks, int padded) =>
        (blocks[vector % TCell.Gates] * (nint)padded) + (vector / TCell.Gates * V.Count);

    /// <summary>Panels of three vectors of units that a gate has in the weights of the inputs.</summary>
    private static int Triples(int units) => (Vectors(units) + 2) / 3;

    private static void PackGates(float* weight, int units, int panel, float* target)
    {
        var wide = Wide(panel, units);
        for (var i = 0; i < wide; i++)
        {
            var vector = (2 * panel) + i;
            var (gate, unit) = (vector % TCell.Gates, vector / TCell.Gates * V.Count);
            Panels.PackColumns(
                weight + ((((nint)gate * units) + unit) * units), units, Math.Min(V.Count, units - unit), units,
                target + (i * V.Count), V.Count, wide * V.Count);
        }
    }

    private static void PackInputWeights(float* weight, RecurrentDimensions size, int triple, float* target)
    {
        var (gate, unit) = (triple / Triples(size.Hidden), triple % Triples(size.Hidden) * 3 * V.Count);
        var width = Panels.Wide<V>(3, size.Hidden - unit) * V.Count;
        Panels.PackColumns(
            weight + ((((nint)gate * size.Hidden) + unit) * size.Inputs), size.Inputs, Math.Min(width, size.Hidden - unit), size.Inputs, target, width, width);
    }

    /// <summary>Initial states, gains and biases, padded.</summary>
    private static void Start(RecurrentTape tape, RecurrentInputs x, float* bias)
    {
        var (units, padded) = (tape.Size.Hidden, tape.Size.Padded);
        Pad(x.Hidden, tape.Size.Batch, units, tape.Hidden, padded);
        if (TCell.HasCell) Pad(x.Cell, tape.Size.Batch, units, tape.Cell, padded);
        if (TCell.ReadsP) Pad(x.Gains, TCell.Sites, units, tape.Gains, padded);
        new Span<float>(bias, RecurrentTape.Blocks * padded).Clear();
        for (var gate = 0; gate < TCell.Gates; gate++)
        {
            for (var unit = 0; unit < units; unit++)
            {
                if (x.BiasIh != null) bias[(TCell.InputBlocks[gate] * padded) + unit] += x.BiasIh[(gate * units) + unit];
                if (x.BiasHh != null) bias[(TCell.RecurrentBlocks[gate] * padded) + unit] += x.BiasHh[(gate * units) + unit];
            }
        }
    }

    private static void Pad(float* source, int rows, int columns, float* target, int padded)
    {
        for (var row = 0; row < rows; row++)
        {
            var to = new Span<float>(target + ((nint)row * padded), padded);
            to.Clear();
            if (source != null) new ReadOnlySpan<float>(source + ((nint)row * columns), columns).CopyTo(to);
        }
    }

    /// <summary>The part of the pre-activations that does not depend on the state, for all time steps.</summary>
    private static void Project(RecurrentTape tape, float* input, float* weights, long panelSize, float* bias, TeamMember member)
    {
        var (size, triples) = (tape.Size, Triples(tape.Size.Hidden));
        nint padded = size.Padded, row = RecurrentTape.Blocks * padded;
        var (first, end) = member.Share(size.Rows);
        var block = MatrixProduct.BlockRows(size.Inputs);
        for (var r = first; r < end; r += block)
        {
            var rows = Math.Min(block, end - r);
            for (var triple = 0; triple < TCell.Gates * triples; triple++)
            {
                var unit = triple % triples * 3 * V.Count;
                var wide = Panels.Wide<V>(3, size.Hidden - unit);
                var place = (TCell.InputBlocks[triple / triples] * padded) + unit;
                MatrixProduct.MultiplyMany<V, RowMajor>(
                    rows, wide, input + ((nint)r * size.Inputs), size.Inputs, weights + (triple * panelSize), wide * V.Count, size.Inputs,
                    tape.Gates + (r * row) + place, row, V.Count, bias + place, 0,
                    weights + ((triple + 1) % (TCell.Gates * triples) * panelSize), (nint)panelSize);
            }

            // Blocks that the inputs do not reach start from their bias alone.
            for (var gate = 0; gate < TCell.Gates; gate++)
            {
                var own = TCell.RecurrentBlocks[gate];
                if (TCell.InputBlocks.Contains(own)) continue;
                var value = new ReadOnlySpan<float>(bias + (own * padded), size.Padded);
                for (var i = r; i < r + rows; i++) value.CopyTo(new Span<float>(tape.Gates + (i * row) + (own * padded), size.Padded));
            }
        }
    }

    private void Recur(RecurrentTape tape, Part part, RecurrentNoise noise, float* weights, long panelSize, bool startsFromZero)
    {
        var size = tape.Size;
        var panels = GatePanels(size.Hidden);
        nint padded = size.Padded, row = RecurrentTape.Blocks * padded;
        for (var i = 0; i < size.Steps; i++)
        {
            var t = size.StepAt(i);
            var before = (((nint)i * size.Batch) + part.FirstRow) * padded;
            var gates = tape.Gates + ((((nint)t * size.Batch) + part.FirstRow) * row);
            var endPanel = Math.Min(part.EndPair * TCell.Gates, panels);
            for (var pair = part.FirstPair; pair < part.EndPair; pair++)
            {
                for (var panel = pair * TCell.Gates; panel < Math.Min((pair + 1) * TCell.Gates, panels) && !(startsFromZero && i == 0); panel++)
                {
                    var wide = Wide(panel, size.Hidden);
                    var place = Place(2 * panel, TCell.RecurrentBlocks, (int)padded);
                    var second = wide == 2 ? Place((2 * panel) + 1, TCell.RecurrentBlocks, (int)padded) - place : 0;
                    MatrixProduct.Multiply<V, RowMajor>(
                        part.Rows, wide, tape.Hidden + before, padded, weights + (panel * panelSize), wide * V.Count, size.Hidden,
                        gates + place, row, second, gates + place, row,
                        weights + ((panel + 1 < endPanel ? panel + 1 : part.FirstPair * TCell.Gates) * panelSize));
                }

                EngineProfile.Mark(part.Member, EngineStage.RecurrentProduct);
                var end = Math.Min(Vectors(size.Hidden), (pair + 1) * 2);
                for (var vector = pair * 2; vector < end; vector++) Advance(tape, part, i, t, vector * V.Count);
                EngineProfile.Mark(part.Member, EngineStage.Gates);
            }

            if (i + 1 < size.Steps) Draw(tape, part, noise, size.StepAt(i + 1));
            EngineProfile.Mark(part.Member, EngineStage.Noise);
            part.EndStep();
        }
    }

    /// <summary>Gate arithmetic of one vector of units for the part's rows.</summary>
    private void Advance(RecurrentTape tape, Part part, int i, int t, int unit)
    {
        var size = tape.Size;
        nint padded = size.Padded, row = RecurrentTape.Blocks * padded;
        var before = ((((nint)i * size.Batch) + part.FirstRow) * padded) + unit;
        var at = new CellPlace
        {
            Gates = tape.Gates + ((((nint)t * size.Batch) + part.FirstRow) * row) + unit,
            GateStride = row,
            Block = padded,
            Noise = tape.Noise + (t * tape.NoiseStride) + ((nint)part.FirstRow * tape.NoiseRow) + unit,
            NoiseSite = (nint)tape.NoiseSite,
            NoiseStride = tape.NoiseRow,
            Gains = tape.Gains + unit,
            HiddenBefore = tape.Hidden + before,
            CellBefore = tape.Cell + before,
            Hidden = tape.Hidden + before + (size.Batch * padded),
            Cell = tape.Cell + before + (size.Batch * padded),
            StateStride = padded,
            Scratch = part.Scratch,
        };
        for (var r = 0; r < part.Rows; r += CellPlace.MaxCount, at.Advance())
        {
            at.Count = Math.Min(CellPlace.MaxCount, part.Rows - r);
            cell.Forward<V>(at);
        }
    }

    /// <summary>Draws the noise of a time step: of the part's own rows, or, where members share rows, a share each.</summary>
    private static void Draw(RecurrentTape tape, Part part, RecurrentNoise noise, int t)
    {
        if (!TCell.ReadsNoise || noise.Constants is not null) return;
        var (first, end) = (part.FirstDrawn, part.EndDrawn);
        long from = (long)first * tape.Size.Hidden, count = (long)(end - first) * tape.Size.Hidden;
        for (var site = 0; site < TCell.Sites; site++)
        {
            var stream = noise.Layer.Child((uint)site).At(noise.Update, noise.FirstStep + t);
            NoiseSampler.Normal(stream, from, new Span<float>(tape.Noise + (t * tape.NoiseStride) + (site * tape.NoiseSite) + from, (int)count));
        }
    }

    private static void Copy(RecurrentTape tape, RecurrentOutputs y, TeamMember member)
    {
        var size = tape.Size;
        nint padded = size.Padded;
        var (first, end) = member.Share(size.Rows);
        for (var r = first; r < end; r++)
        {
            var (t, b) = (r / size.Batch, r % size.Batch);
            var i = size.Backwards ? size.Steps - 1 - t : t;
            new ReadOnlySpan<float>(tape.Hidden + (((((nint)i + 1) * size.Batch) + b) * padded), size.Hidden)
                .CopyTo(new Span<float>(y.Output + ((nint)r * size.Hidden), size.Hidden));
        }

        var last = (nint)size.Rows * padded;
        (first, end) = member.Share(size.Batch);
        for (var b = first; b < end; b++)
        {
            if (y.Hidden != null)
                new ReadOnlySpan<float>(tape.Hidden + last + (b * padded), size.Hidden).CopyTo(new Span<float>(y.Hidden + ((nint)b * size.Hidden), size.Hidden));
            if (y.Cell != null && TCell.HasCell)
                new ReadOnlySpan<float>(tape.Cell + last + (b * padded), size.Hidden).CopyTo(new Span<float>(y.Cell + ((nint)b * size.Hidden), size.Hidden));
        }
    }
}
