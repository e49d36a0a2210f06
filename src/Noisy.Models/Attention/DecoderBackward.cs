using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The backward pass: step by step from the last, gradients in weights for all steps in one product each.</summary>
internal sealed unsafe partial class DecoderFunction
{
    protected override void Backward(DecoderCall call, FusedOperands x, Tensor?[] upstream)
    {
        var size = new Sizes(x);
        var tape = (DecoderTape)call.Tape!;
        var (steps, batch, hidden, before) = (size.Steps, (long)size.Batch, size.Hidden, size.Before(call));
        var (units, gates) = (size.Attention.Units, size.Gates(call.Last));
        using var packs = new PassWeights();
        var query = packs.Take(call.Linear.PackBack(x.At(Query), hidden, units, hidden, call.Threads));
        var selector = call.Selector is null ? null : packs.Take(call.Linear.PackBack(x.At(SelectorWeight), hidden, 1, hidden, call.Threads));
        var fromSeen = packs.Take(call.Linear.PackBack(x.At(Last + WeightIh) + before, before + size.Channels, gates, size.Channels, call.Threads));
        var firstHh = call.FirstKernel is null ? null : packs.Take(call.FirstKernel.PackStepBack(x.At(First + WeightHh), hidden, call.Threads));
        var lastHh = packs.Take(call.LastKernel.PackStepBack(x.At(Last + WeightHh), hidden, call.Threads));

        var first = call.First is null ? null : new CellGradients(call.First, x, First, size);
        var last = new CellGradients(call.Last, x, Last, size);
        var queries = FusedEngine.Empty([steps, batch, units]);
        var selectorInput = selector == null ? null : FusedEngine.Empty([steps, batch, 1]);
        var selected = selector == null ? null : Room(batch);
        var parts = AttentionKernel.Parts(size.Attention);
        var (score, attentionGains) = (Sum(x, Score, parts, units), Sum(x, AttentionGains, parts, x.Tensor(AttentionGains)?.numel() ?? 0));
        var (keys, annotations) = (Sum(x, Keys, x.Shape(Keys)!), Sum(x, Annotations, x.Shape(Annotations)!));
        var selectorGains = x.RequiresGrad[SelectorGains] ? FusedEngine.Zeros(x.Shape(SelectorGains)!) : null;

        // Of the state after the step, of that which attended, and of the one before; of what was seen; a product.
        float* after = Room(size.State), attended = Room(size.State), earlier = Room(size.State), seen = Room(batch * size.Channels), product = Room(size.State);
        var cells = x.Tensor(Cell) is null ? null : FusedEngine.Pointer(FusedEngine.Empty([2, batch, hidden]));
        float* cell = null;
        if (upstream[0] is null) new Span<float>(after, checked((int)size.State)).Clear();
        else Copy(At(upstream[0]!, steps - 1), after, size.State);
        for (var t = steps - 1; t >= 0; t--)
        {
            var attention = call.AttentionAt(t);
            var cellBefore = cells == null ? null : cells + (t % 2 * size.State);
            call.LastKernel.StepBack(tape.Last[t]!, lastHh, last.Step(t, after, cell, attended, cellBefore), call.Threads);
            call.Linear.Back(fromSeen, last.FromInputAt(t), size.Batch, gates, size.Channels, seen, call.Threads);
            if (upstream[1] is not null) attention.Add(At(upstream[1]!, t), seen, batch * size.Channels);
            if (selector != null)
            {
                attention.ScaleBack(size.Attention, At(tape.Selected!, t), At(tape.Unscaled!, t), seen, selected);
                call.SelectorAt(t).Backward(
                    At(tape.SelectorInput!, t), x.At(SelectorGains), selected, At(selectorInput!, t),
                    new GradientTarget { At = FusedEngine.Pointer(selectorGains), Add = true }, batch, 1, 1);
                call.Linear.Back(selector, At(selectorInput!, t), size.Batch, 1, hidden, product, call.Threads);
                attention.Add(product, attended, size.State);
            }

            attention.Backward(size.Attention, Inputs(x, At(tape.Queries, t)), At(tape.Attention, t), new AttentionGradients
            {
                Mean = seen, Weights = upstream[2] is null ? null : At(upstream[2]!, t), Query = At(queries, t),
                Keys = FusedEngine.Pointer(keys), Annotations = FusedEngine.Pointer(annotations), Score = FusedEngine.Pointer(score),
                Gains = FusedEngine.Pointer(attentionGains),
            }, call.Threads);
            call.Linear.Back(query, At(queries, t), size.Batch, units, hidden, product, call.Threads);
            attention.Add(product, attended, size.State);
            if (first is not null) call.FirstKernel!.StepBack(tape.First[t]!, firstHh, first.Step(t, attended, null, earlier, null), call.Threads);
            var reached = first is null ? attended : earlier;
            if (t > 0 && upstream[0] is not null) attention.Add(At(upstream[0]!, t - 1), reached, size.State);
            Copy(reached, after, size.State);
            cell = cellBefore;
        }

        if (x.RequiresGrad[Hidden]) Copy(after, x.Gradient(Hidden), size.State);
        if (x.RequiresGrad[Cell]) Copy(cell, x.Gradient(Cell), size.State);
        x.Give(Keys, keys);
        x.Give(Annotations, annotations);
        x.Give(Score, score?.sum([0]).reshape(x.Shape(Score)!));
        x.Give(AttentionGains, attentionGains?.sum([0]).reshape(x.Shape(AttentionGains)!));
        x.Give(SelectorGains, selectorGains);

        GiveWeights(call, x, size, first, last, queries, selectorInput);

        float* Room(long length) => FusedEngine.Pointer(FusedEngine.Empty([length]));
    }

    /// <summary>Gradients in weights and words, of all steps.</summary>
    private static void GiveWeights(
        DecoderCall call, FusedOperands x, Sizes size, CellGradients? first, CellGradients last, Tensor queries, Tensor? selectorInput)
    {
        var tape = (DecoderTape)call.Tape!;
        var (states, start) = (Rows(tape.Hidden), x.Tensor(Hidden)!);
        var previous = size.Steps == 1 ? start : cat([start, states.narrow(0, 0, (size.Steps - 1) * (long)size.Batch)], 0);
        var attending = tape.Between is null ? previous : Rows(tape.Between);
        var (words, gave) = (Rows(x.Tensor(Words)!), Rows(tape.Seen));
        Weight(Query, Rows(queries), attending);
        if (selectorInput is not null)
        {
            Weight(SelectorWeight, Rows(selectorInput), attending);
            Bias(SelectorBias, Rows(selectorInput));
        }

        OfCellWeights(last, Last, attending, first is null ? x.RequiresGrad[Last + WeightIh] ? cat([words, gave], -1) : words : gave);
        if (first is not null) OfCellWeights(first, First, previous, words);
        if (!x.RequiresGrad[Words]) return;
        var ofWords = first is null
            ? FusedLinear.InputGradient(Rows(last.FromInput), x.Tensor(Last + WeightIh)!.narrow(1, 0, size.Width))
            : FusedLinear.InputGradient(Rows(first.FromInput), x.Tensor(First + WeightIh)!);
        x.Give(Words, ofWords.reshape(x.Shape(Words)!));

        void OfCellWeights(CellGradients cell, int number, Tensor state, Tensor input)
        {
            Weight(number + WeightIh, Rows(cell.FromInput), input);
            Bias(number + InputBias, Rows(cell.FromInput));
            Weight(number + WeightHh, Rows(cell.FromState ?? cell.FromInput), state);
            Bias(number + RecurrentBias, Rows(cell.FromState ?? cell.FromInput));
            x.Give(number + Gains, cell.LearnedGains());
        }

        void Weight(int number, Tensor gradient, Tensor input)
        {
            if (x.RequiresGrad[number]) x.Give(number, FusedLinear.WeightGradient(gradient, input));
        }

        void Bias(int number, Tensor gradient)
        {
            if (x.RequiresGrad[number]) x.Give(number, gradient.sum([0]));
        }
    }

    /// <summary>[T B, ·].</summary>
    private static Tensor Rows(Tensor tensor) => tensor.reshape(-1, tensor.shape[^1]);

    /// <summary>Zeros to add a gradient to; null if it is not wanted.</summary>
    private static Tensor? Sum(FusedOperands x, int number, params long[] shape) => x.RequiresGrad[number] ? FusedEngine.Zeros(shape) : null;

    private static void Copy(float* from, float* to, long length) => new ReadOnlySpan<float>(from, checked((int)length)).CopyTo(new Span<float>(to, (int)length));

    /// <summary>What the backward steps of a cell leave.</summary>
    private sealed class CellGradients
    {
        private readonly RecurrentCell cell;

        internal CellGradients(RecurrentCell cell, FusedOperands x, int number, Sizes size)
        {
            this.cell = cell;
            long[] shape = [size.Steps, size.Batch, size.Gates(cell)];
            var wanted = x.RequiresGrad[number + WeightHh] || x.RequiresGrad[number + RecurrentBias];
            FromInput = FusedEngine.Empty(shape);
            FromState = wanted && !cell.Layout.SharesBlocks ? FusedEngine.Empty(shape) : null;
            Gains = x.RequiresGrad[number + DecoderFunction.Gains] ? FusedEngine.Zeros(x.Shape(number + DecoderFunction.Gains)!) : null;
        }

        /// <summary>Gradient in the products with the input, and with the state where it is another one, [T, B, G H].</summary>
        internal Tensor FromInput { get; }

        /// <inheritdoc cref="FromInput"/>
        internal Tensor? FromState { get; }

        /// <summary>In the gap gains, added up; null if not wanted.</summary>
        internal Tensor? Gains { get; }

        /// <summary>The same, with zeros where a gain is not learned.</summary>
        internal Tensor? LearnedGains()
        {
            if (Gains is null) return null;
            var learned = cell.LearnedGains();
            for (var site = 0; site < learned.Length; site++)
            {
                if (!learned[site]) Gains.select(0, site).zero_();
            }

            return Gains;
        }

        internal float* FromInputAt(int step) => At(FromInput, step);

        /// <summary>A step: upstream gradients of its states, and where those of the states before go.</summary>
        internal StepGradients Step(int step, float* hidden, float* second, float* before, float* secondBefore) => new()
        {
            HiddenEnd = hidden, CellEnd = second, FromInput = At(FromInput, step), FromState = FromState is null ? null : At(FromState, step),
            Hidden = before, Cell = secondBefore, Gains = new GradientTarget { At = FusedEngine.Pointer(Gains), Add = true },
        };
    }
}
