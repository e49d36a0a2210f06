namespace Noisy.Core;

/// <summary>The forward pass.</summary>
internal sealed unsafe partial class NtmKernel<V, TCell>
{
    internal override NtmTape Forward(NtmDimensions size, NtmInputs x, RecurrentNoise noise, float* logits, int threads)
    {
        var tape = new NtmTape(size, TCell.Gates, TCell.Sites, TCell.HasCell, TCell.ReadsNoise, TCell.ReadsP, noise.Constants);
        using var maps = new NtmMaps<V>(size, TCell.Gates, IsRecurrent, x);
        var members = Math.Min(threads, size.Batch);
        var room = BufferPool.Rent(((long)size.Rows * size.PaddedOutputs) + (members * CellSite.ScratchLength<TCell>()));
        var sums = room.Start;
        var scratch = sums + ((nint)size.Rows * size.PaddedOutputs);
        Share(tape, x);
        ThreadTeam.Shared.Run(members, member =>
        {
            EngineProfile.Start(member);
            maps.ControllerInput.Pack(member);
            if (IsRecurrent) maps.Recurrent.Pack(member);
            maps.Heads.Pack(member);
            maps.Top.Pack(member);
            maps.Reads.Pack(member);
            var part = new Part(member, size.Batch);
            Begin(tape, x, part);
            member.Barrier();
            EngineProfile.Mark(member, EngineStage.Pack);
            Draw(tape, part, noise);
            EngineProfile.Mark(member, EngineStage.Noise);
            for (var t = 0; t < size.Steps; t++)
            {
                Control(tape, maps, part, t, scratch + (member.Index * CellSite.ScratchLength<TCell>()));
                EngineProfile.Mark(member, EngineStage.NtmController);
                for (var b = part.First; b < part.End; b++) TakeTurns(tape, member, t, b);
            }

            member.Barrier();
            Answer(tape, maps, sums, logits, member);
            EngineProfile.Mark(member, EngineStage.NtmOutput);
        });
        BufferPool.Return(room);
        return tape;
    }

    /// <summary>What all examples share: gains and the first attention, padded.</summary>
    private static void Share(NtmTape tape, NtmInputs x)
    {
        var size = tape.Size;
        if (TCell.ReadsP) CopyRows(x.Gains, TCell.Sites, size.Hidden, tape.Gains, size.PaddedHidden);
        CopyRows(x.Attention, size.Heads, size.Slots, tape.StartAttention, size.PaddedSlots);
    }

    private static void CopyRows(float* from, int rows, int columns, float* to, int padded)
    {
        for (var row = 0; row < rows; row++)
        {
            var target = new Span<float>(to + ((nint)row * padded), padded);
            target.Clear();
            new ReadOnlySpan<float>(from + ((nint)row * columns), columns).CopyTo(target);
        }
    }

    /// <summary>Inputs of all time steps, and what the part's examples start from.</summary>
    private static void Begin(NtmTape tape, NtmInputs x, Part part)
    {
        var size = tape.Size;
        for (var t = 0; t < size.Steps; t++)
        {
            for (var b = part.First; b < part.End; b++)
            {
                var row = ((nint)t * size.Batch) + b;
                new ReadOnlySpan<float>(x.Input + (row * size.Inputs), size.Inputs).CopyTo(new Span<float>(tape.ControllerInput + (row * size.PaddedControllerInputs), size.Inputs));
            }
        }

        for (var b = part.First; b < part.End; b++)
        {
            new ReadOnlySpan<float>(x.Reads, size.Reads).CopyTo(new Span<float>(tape.ControllerInput + ((nint)b * size.PaddedControllerInputs) + size.Inputs, size.Reads));
            if (IsRecurrent) CopyRows(x.Hidden, 1, size.Hidden, tape.Hidden + ((nint)b * size.PaddedHidden), size.PaddedHidden);
            if (TCell.HasCell) CopyRows(x.Cell, 1, size.Hidden, tape.Cell + ((nint)b * size.PaddedHidden), size.PaddedHidden);
            var memory = tape.Memory(b, 0);
            for (var m = 0; m < size.Width; m++)
            {
                var to = memory + ((nint)m * size.PaddedSlots);
                for (var i = 0; i < size.PaddedSlots; i++) to[i] = i < size.Slots ? x.Memory[((nint)i * size.Width) + m] : 0;
            }

            MemoryAccess.Measure<V>(size, memory);
        }
    }

    /// <summary>Draws the noise of the part's examples for all time steps.</summary>
    private static void Draw(NtmTape tape, Part part, RecurrentNoise noise)
    {
        if (!TCell.ReadsNoise || noise.Constants is not null) return;
        long from = (long)part.First * tape.Size.Hidden, count = (long)part.Count * tape.Size.Hidden;
        for (var t = 0; t < tape.Size.Steps; t++)
        {
            for (var site = 0; site < TCell.Sites; site++)
            {
                var stream = noise.Layer.Child((uint)site).At(noise.Update, noise.FirstStep + t);
                NoiseSampler.Normal(stream, from, new Span<float>(tape.Noise + ((nint)t * tape.NoiseStride) + ((nint)site * tape.NoiseSite) + from, (int)count));
            }
        }
    }

    /// <summary>The controller's step, and the numbers that it gives the heads.</summary>
    private void Control(NtmTape tape, NtmMaps<V> maps, Part part, int t, float* scratch)
    {
        var size = tape.Size;
        nint row = ((nint)t * size.Batch) + part.First, padded = size.PaddedHidden;
        var gates = tape.Gates + (row * tape.GateRow);
        maps.ControllerInput.Forward(tape.ControllerInput + (row * size.PaddedControllerInputs), size.PaddedControllerInputs, part.Count, maps.Bias, 0, gates, tape.GateRow);
        if (IsRecurrent) maps.Recurrent.Forward(tape.Hidden + (row * padded), padded, part.Count, gates, tape.GateRow, gates, tape.GateRow);
        for (var b = part.First; b < part.End; b++)
        {
            var at = Place(tape, t, b, scratch);
            for (var count = at.Count; count > 0; count -= CellPlace.MaxCount, at.Advance())
            {
                at.Count = Math.Min(CellPlace.MaxCount, count);
                cell.Forward<V>(at);
            }
        }

        maps.Heads.Forward(
            tape.Hidden + ((row + size.Batch) * padded), padded, part.Count, maps.HeadBias, 0, tape.Heads + (row * size.PaddedHeads), size.PaddedHeads);
    }

    /// <summary>The heads' turns in one time step of one example.</summary>
    private static void TakeTurns(NtmTape tape, TeamMember member, int t, int b)
    {
        var size = tape.Size;
        var row = (t * size.Batch) + b;
        var writes = t * size.Writers;
        var memory = tape.Memory(b, writes);
        var reads = tape.ControllerInput + (((nint)row + size.Batch) * size.PaddedControllerInputs) + size.Inputs;
        for (var head = 0; head < size.Heads; head++)
        {
            var turn = tape.Turn(row, head);
            HeadParameters.Forward<V>(tape.Heads + ((nint)row * size.PaddedHeads) + size.HeadStart(head), size, size.Writes(head), turn);
            EngineProfile.Mark(member, EngineStage.NtmHeads);
            Addressing.Forward<V>(size, memory, tape.AttentionBefore(row, head), turn);
            EngineProfile.Mark(member, EngineStage.NtmAddressing);
            if (size.Writes(head))
            {
                var next = tape.Memory(b, ++writes);
                MemoryAccess.Write<V>(size, memory, turn, next);
                memory = next;
            }
            else
            {
                MemoryAccess.Read<V>(size, memory, turn.Attention, reads + (head * size.Width));
            }

            EngineProfile.Mark(member, EngineStage.NtmMemory);
        }
    }

    /// <summary>Logits of all rows; a member has some.</summary>
    private static void Answer(NtmTape tape, NtmMaps<V> maps, float* sums, float* logits, TeamMember member)
    {
        var size = tape.Size;
        var (first, end) = member.Share(size.Rows);
        nint next = (nint)first + size.Batch, padded = size.PaddedOutputs;
        var to = sums + (first * padded);
        maps.Top.Forward(tape.Hidden + (next * size.PaddedHidden), size.PaddedHidden, end - first, maps.OutputBias, 0, to, padded);
        maps.Reads.Forward(tape.ControllerInput + (next * size.PaddedControllerInputs) + size.Inputs, size.PaddedControllerInputs, end - first, to, padded, to, padded);
        for (var row = first; row < end; row++, to += padded)
            new ReadOnlySpan<float>(to, size.Outputs).CopyTo(new Span<float>(logits + ((nint)row * size.Outputs), size.Outputs));
    }
}
