namespace Noisy.Core;

/// <summary>The backward pass.</summary>
internal sealed unsafe partial class NtmKernel<V, TCell>
{
    internal override void Backward(NtmTape tape, NtmInputs x, NtmGradients grad, int threads)
    {
        var size = tape.Size;
        using var maps = new NtmMaps<V>(size, TCell.Gates, IsRecurrent, x);
        var members = Math.Min(threads, size.Batch);
        using var work = new NtmWork<V>(size, TCell.Gates, TCell.Sites, TCell.HasCell, TCell.ReadsP, CellSite.ScratchLength<TCell>(), members);
        ThreadTeam.Shared.Run(members, member =>
        {
            EngineProfile.Start(member);
            maps.ControllerInput.PackBack(member);
            if (IsRecurrent) maps.Recurrent.PackBack(member);
            maps.Heads.PackBack(member);
            maps.Top.PackBack(member);
            maps.Reads.PackBack(member);
            member.Barrier();
            EngineProfile.Mark(member, EngineStage.Pack);
            var part = new Part(member, size.Batch);
            for (var t = size.Steps - 1; t >= 0; t--)
            {
                AnswerBack(tape, maps, grad, work, part, t);
                EngineProfile.Mark(member, EngineStage.NtmOutput);
                for (var b = part.First; b < part.End; b++) TakeTurnsBack(tape, work, member, t, b);
                ControlBack(tape, maps, work, part, t);
                if (grad.Input != null) GradInput(size, grad, work, part, t);
                EngineProfile.Mark(member, EngineStage.NtmController);
            }

            member.Barrier();
            GradWeights(tape, maps, grad, work, member);
            EngineProfile.Mark(member, EngineStage.GradWeights);
        });
    }

    /// <summary>From the logits of a time step to the controller's output and the reads; to the reads also from the controller's
    /// next step.</summary>
    private static void AnswerBack(NtmTape tape, NtmMaps<V> maps, NtmGradients grad, NtmWork<V> work, Part part, int t)
    {
        var size = tape.Size;
        var row = ((nint)t * size.Batch) + part.First;
        var upstream = work.Logits + (row * size.PaddedOutputs);
        CopyRows(grad.Logits + (row * size.Outputs), part.Count, size.Outputs, upstream, size.PaddedOutputs);
        var hidden = work.Hidden + (part.First * (nint)size.PaddedHidden);
        maps.Top.Back(upstream, size.PaddedOutputs, part.Count, IsRecurrent ? hidden : null, hidden, size.PaddedHidden);
        var reads = work.Reads + (part.First * (nint)work.ReadRow);
        for (var b = part.First; b < part.End; b++)
        {
            new ReadOnlySpan<float>(work.ControllerInput + (b * (nint)size.PaddedControllerInputs) + size.Inputs, size.Reads)
                .CopyTo(new Span<float>(work.Reads + (b * (nint)work.ReadRow), size.Reads));
        }

        maps.Reads.Back(upstream, size.PaddedOutputs, part.Count, reads, reads, work.ReadRow);
    }

    /// <summary>The heads' turns of one time step and example, the last first.</summary>
    private static void TakeTurnsBack(NtmTape tape, NtmWork<V> work, TeamMember member, int t, int b)
    {
        var size = tape.Size;
        var row = (t * size.Batch) + b;
        var writes = (t + 1) * size.Writers;
        var gradMemory = work.Memory(b);
        var to = work.Own(member.Index);
        var room = work.Room(member.Index);
        for (var head = size.Heads - 1; head >= 0; head--)
        {
            var turn = tape.Turn(row, head);
            var gradAttention = work.Attention(b, head);
            if (size.Writes(head))
            {
                MemoryAccess.WriteBack<V>(size, tape.Memory(b, --writes), turn, gradMemory, gradAttention, to);
            }
            else
            {
                MemoryAccess.ReadBack<V>(
                    size, tape.Memory(b, writes), turn.Attention, work.Reads + (b * (nint)work.ReadRow) + (head * size.Width), gradMemory, gradAttention);
            }

            EngineProfile.Mark(member, EngineStage.NtmMemoryBack);
            Addressing.Backward<V>(size, tape.Memory(b, writes), tape.AttentionBefore(row, head), turn, gradAttention, gradMemory, to, room);
            EngineProfile.Mark(member, EngineStage.NtmAddressingBack);
            HeadParameters.Backward(size, size.Writes(head), turn, to, work.Heads + ((nint)row * size.PaddedHeads) + size.HeadStart(head));
            EngineProfile.Mark(member, EngineStage.NtmHeads);
        }
    }

    /// <summary>From the heads' numbers through the controller to what it saw, and to its states before the step.</summary>
    private void ControlBack(NtmTape tape, NtmMaps<V> maps, NtmWork<V> work, Part part, int t)
    {
        var size = tape.Size;
        nint row = ((nint)t * size.Batch) + part.First, padded = size.PaddedHidden;
        var hidden = work.Hidden + (part.First * padded);
        maps.Heads.Back(work.Heads + (row * size.PaddedHeads), size.PaddedHeads, part.Count, hidden, hidden, padded);
        for (var b = part.First; b < part.End; b++)
        {
            var at = Place(tape, t, b, work.Scratch(part.Member.Index));
            at.GradHidden = work.Hidden + (b * padded);
            at.GradHiddenStride = V.Count;
            at.Carry = work.Cell + (b * padded);
            at.GradGates = work.Gates + ((((nint)t * size.Batch) + b) * tape.GateRow);
            at.GradGains = work.Gains + ((nint)b * TCell.Sites * padded);
            at.GradGainStride = V.Count;
            for (var count = at.Count; count > 0; count -= CellPlace.MaxCount, at.Advance())
            {
                at.Count = Math.Min(CellPlace.MaxCount, count);
                cell.Backward<V>(at);
            }
        }

        var gates = work.Gates + (row * tape.GateRow);
        maps.ControllerInput.Back(gates, tape.GateRow, part.Count, null, work.ControllerInput + (part.First * (nint)size.PaddedControllerInputs), size.PaddedControllerInputs);
        if (IsRecurrent) maps.Recurrent.Back(gates, tape.GateRow, part.Count, null, hidden, padded);
    }

    private static void GradInput(NtmDimensions size, NtmGradients grad, NtmWork<V> work, Part part, int t)
    {
        for (var b = part.First; b < part.End; b++)
        {
            new ReadOnlySpan<float>(work.ControllerInput + (b * (nint)size.PaddedControllerInputs), size.Inputs)
                .CopyTo(new Span<float>(grad.Input + ((((nint)t * size.Batch) + b) * size.Inputs), size.Inputs));
        }
    }

    /// <summary>Gradients in all parameters, from the rows of the whole batch.</summary>
    private static void GradWeights(NtmTape tape, NtmMaps<V> maps, NtmGradients grad, NtmWork<V> work, TeamMember member)
    {
        var size = tape.Size;
        var rows = size.Rows;
        var edge = work.Edge(member.Index);
        var nextHidden = tape.Hidden + ((nint)size.Batch * size.PaddedHidden);
        var nextInput = tape.ControllerInput + ((nint)size.Batch * size.PaddedControllerInputs);
        maps.ControllerInput.GradWeight(work.Gates, tape.GateRow, rows, tape.ControllerInput, size.PaddedControllerInputs, grad.WeightIh, edge, member);
        if (IsRecurrent) maps.Recurrent.GradWeight(work.Gates, tape.GateRow, rows, tape.Hidden, size.PaddedHidden, grad.WeightHh, edge, member);
        maps.ControllerInput.GradBias(work.Gates, tape.GateRow, rows, grad.Bias, member);
        maps.Heads.GradWeight(work.Heads, size.PaddedHeads, rows, nextHidden, size.PaddedHidden, grad.HeadWeight, edge, member);
        maps.Heads.GradBias(work.Heads, size.PaddedHeads, rows, grad.HeadBias, member);
        maps.Top.GradWeight(work.Logits, size.PaddedOutputs, rows, nextHidden, size.PaddedHidden, grad.OutputWeight, edge, member);
        maps.Reads.GradWeight(
            work.Logits, size.PaddedOutputs, rows, nextInput + size.Inputs, size.PaddedControllerInputs, grad.OutputWeight.From(size.Hidden), edge, member);
        maps.Top.GradBias(work.Logits, size.PaddedOutputs, rows, grad.OutputBias, member);
        if (member.Index == 0) GradStart(size, grad, work);
    }

    /// <summary>Gradients in gains and in what every sequence starts from: sums over the examples in their order.</summary>
    private static void GradStart(NtmDimensions size, NtmGradients grad, NtmWork<V> work)
    {
        if (TCell.ReadsP) AddUp(size.Batch, work.Gains, TCell.Sites * size.PaddedHidden, TCell.Sites, size.PaddedHidden, size.Hidden, grad.Gains);
        if (IsRecurrent) AddUp(size.Batch, work.Hidden, size.PaddedHidden, 1, size.PaddedHidden, size.Hidden, grad.Hidden);
        if (TCell.HasCell) AddUp(size.Batch, work.Cell, size.PaddedHidden, 1, size.PaddedHidden, size.Hidden, grad.Cell);
        AddUp(size.Batch, work.ControllerInput + size.Inputs, size.PaddedControllerInputs, 1, size.PaddedControllerInputs, size.Reads, grad.Reads);
        AddUp(size.Batch, work.Attention(0, 0), size.Heads * size.PaddedSlots, size.Heads, size.PaddedSlots, size.Slots, grad.Attention);
        for (var m = 0; m < size.Width && grad.Memory.At != null; m++)
        {
            for (var i = 0; i < size.Slots; i++)
            {
                var sum = 0f;
                for (var b = 0; b < size.Batch; b++) sum += work.Memory(b)[((nint)m * size.PaddedSlots) + i];
                grad.Memory.Put((i * size.Width) + m, sum);
            }
        }
    }

    private static void AddUp(int examples, float* from, nint stride, int rows, nint padded, int columns, GradientTarget grad)
    {
        for (var row = 0; row < rows && grad.At != null; row++)
        {
            for (var column = 0; column < columns; column++)
            {
                var sum = 0f;
                for (var b = 0; b < examples; b++) sum += from[(b * stride) + (row * padded) + column];
                grad.Put((row * columns) + column, sum);
            }
        }
    }
}
