using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>The decoder as a function with a gradient. Arguments: those that are numbered here, then the call.</summary>
internal sealed unsafe partial class DecoderFunction : FusedFunction<DecoderFunction, DecoderCall>
{
    private const int Words = 0, Hidden = 1, Cell = 2, Keys = 3, Annotations = 4, Mask = 5, Query = 6, Score = 7, AttentionGains = 8,
        SelectorWeight = 9, SelectorBias = 10, SelectorGains = 11, First = 12, Last = First + OfCell;

    // Of each cell, from its first number on.
    private const int WeightIh = 0, InputBias = 1, WeightHh = 2, RecurrentBias = 3, Gains = 4;

    /// <summary>Tensors of a cell.</summary>
    internal const int OfCell = 5;

    /// <summary>Sizes of a pass.</summary>
    private readonly struct Sizes
    {
        internal readonly int Steps, Batch, Width, Hidden;
        internal readonly AttentionDimensions Attention;

        internal Sizes(FusedOperands x)
        {
            var (words, keys) = (x.Shape(Words)!, x.Shape(Keys)!);
            (Steps, Batch, Width, Hidden) = ((int)words[0], (int)words[1], (int)words[2], (int)x.Shape(DecoderFunction.Hidden)![1]);
            Attention = new((int)keys[0], Batch, (int)keys[2], (int)x.Shape(Annotations)![2]);
        }

        internal int Channels => Attention.Channels;

        /// <summary>Floats of a state.</summary>
        internal long State => (long)Batch * Hidden;

        /// <summary>Floats of a cell's gates.</summary>
        internal int Gates(RecurrentCell cell) => cell.Layout.Gates * Hidden;

        /// <summary>Columns of the last cell's input before those of what was seen.</summary>
        internal int Before(DecoderCall call) => call.First is null ? Width : 0;
    }

    protected override List<Tensor> Forward(DecoderCall call, FusedOperands x)
    {
        var size = new Sizes(x);
        var (steps, batch, hidden, width) = (size.Steps, (long)size.Batch, size.Hidden, size.Before(call));
        var gates = size.Gates(call.Last);
        using var packs = new PassWeights();
        var (states, seen, weights) = (FusedEngine.Empty([steps, batch, hidden]), FusedEngine.Empty([steps, batch, size.Channels]), FusedEngine.Empty([steps, size.Attention.Places, batch]));
        var between = call.First is null ? null : FusedEngine.Empty([steps, batch, hidden]);
        var unscaled = call.Selector is null ? null : FusedEngine.Empty([steps, batch, size.Channels]);
        var (selectorInput, selected) = call.Selector is null ? (null, null) : (FusedEngine.Empty([steps, batch]), FusedEngine.Empty([steps, batch]));
        var queries = FusedEngine.Empty([steps, batch, size.Attention.Units]);
        var (first, last) = (new RecurrentTape?[call.First is null ? 0 : steps], new RecurrentTape?[steps]);
        call.Tape = new DecoderTape
        {
            Hidden = states.detach().DetachFromDisposeScope(), Between = between?.DetachFromDisposeScope(), Queries = queries.DetachFromDisposeScope(),
            Attention = weights.DetachFromDisposeScope(), Seen = seen.detach().DetachFromDisposeScope(), Unscaled = unscaled?.DetachFromDisposeScope(),
            SelectorInput = selectorInput?.DetachFromDisposeScope(), Selected = selected?.DetachFromDisposeScope(), First = first, Last = last,
        };

        // The words' part of all steps in one product.
        var ofWords = call.First is null
            ? FusedLinear.Product(x.Tensor(Words)!, x.Tensor(Last + WeightIh)!.narrow(1, 0, width), x.Tensor(Last + InputBias))
            : FusedLinear.Product(x.Tensor(Words)!, x.Tensor(First + WeightIh)!, x.Tensor(First + InputBias));
        var query = packs.Take(call.Linear.Pack(x.At(Query), hidden, size.Attention.Units, hidden, call.Threads));
        var selector = call.Selector is null ? null : packs.Take(call.Linear.Pack(x.At(SelectorWeight), hidden, 1, hidden, call.Threads));
        var fromSeen = packs.Take(call.Linear.Pack(x.At(Last + WeightIh) + width, width + size.Channels, gates, size.Channels, call.Threads));
        var firstHh = call.FirstKernel is null ? null : packs.Take(call.FirstKernel.PackStep(x.At(First + WeightHh), hidden, call.Threads));
        var lastHh = packs.Take(call.LastKernel.PackStep(x.At(Last + WeightHh), hidden, call.Threads));
        var input = FusedEngine.Pointer(FusedEngine.Empty([batch, gates]));
        var cells = x.Tensor(Cell) is null ? null : FusedEngine.Pointer(FusedEngine.Empty([2, batch, hidden]));
        float* state = x.At(Hidden), cell = x.At(Cell);
        for (var t = 0; t < steps; t++)
        {
            if (call.First is not null)
            {
                first[t] = call.FirstKernel!.Step(
                    size.Batch, hidden, Inputs(x, First, At(ofWords, t), firstHh, state, null), call.First.Noise(call.FirstContext.Later(t)),
                    new RecurrentOutputs { Output = At(between!, t) }, call.Threads);
                state = At(between!, t);
            }

            call.Linear.Forward(query, state, size.Batch, size.Attention.Units, hidden, null, 0, At(queries, t), call.Threads);
            var attention = call.AttentionAt(t);
            attention.Forward(size.Attention, Inputs(x, At(queries, t)), At(weights, t), At(unscaled ?? seen, t), call.Threads);
            if (selector != null)
            {
                call.Linear.Forward(selector, state, size.Batch, 1, hidden, x.At(SelectorBias), 0, At(selectorInput!, t), call.Threads);
                call.SelectorAt(t).Forward(At(selectorInput!, t), x.At(SelectorGains), At(selected!, t), size.Batch, 1, 1);
                attention.Scale(size.Attention, At(selected!, t), At(unscaled!, t), At(seen, t));
            }

            var from = call.First is null ? At(ofWords, t) : x.At(Last + InputBias);
            call.Linear.Forward(fromSeen, At(seen, t), size.Batch, gates, size.Channels, from, call.First is null ? gates : 0, input, call.Threads);
            var next = cells == null ? null : cells + (t % 2 * size.State);
            last[t] = call.LastKernel.Step(
                size.Batch, hidden, Inputs(x, Last, input, lastHh, state, cell), call.Last.Noise(call.LastContext.Later(t)),
                new RecurrentOutputs { Output = At(states, t), Cell = next }, call.Threads);
            state = At(states, t);
            cell = next;
            if (x.AnyRequiresGrad) continue;
            if (call.First is not null) first[t]!.Dispose();
            last[t]!.Dispose();
        }

        return [states, seen, weights.clone()]; // the caller may change the weights that it gets
    }

    protected override List<Tensor> Compose(DecoderCall call, Tensor?[] x)
    {
        var steps = (int)x[Words]!.shape[0];
        var (states, seen, weights) = (new Tensor[steps], new Tensor[steps], new Tensor[steps]);
        Tensor[] state = x[Cell] is { } cell ? [x[Hidden]!, cell] : [x[Hidden]!];
        for (var t = 0; t < steps; t++)
        {
            var word = x[Words]!.select(0, t);
            if (call.First is { } first) state = Step(first, First, word, state, call.FirstContext.Later(t));
            (seen[t], weights[t]) = AttentionSteps.Compose(
                pre => SiteActivation.Apply(call.Attention, pre, x[AttentionGains], call.AttentionContext.Later(t), Backend.Composed),
                F.linear(state[0], x[Query]!), x[Keys]!, x[Annotations]!, x[Score]!, x[Mask]);
            if (call.Selector is { } selector)
            {
                seen[t] *= SiteActivation.Apply(
                    selector, F.linear(state[0], x[SelectorWeight]!, x[SelectorBias]), x[SelectorGains], call.SelectorContext.Later(t), Backend.Composed);
            }

            state = Step(call.Last, Last, call.First is null ? cat([word, seen[t]], -1) : seen[t], state, call.LastContext.Later(t));
            states[t] = state[0];
        }

        return [stack(states), stack(seen), stack(weights)];

        Tensor[] Step(RecurrentCell cell, int number, Tensor input, Tensor[] before, NoiseContext context)
        {
            return cell.Step(
                F.linear(input, x[number + WeightIh]!, x[number + InputBias]), h => F.linear(h, x[number + WeightHh]!, x[number + RecurrentBias]), before, Activate);

            Tensor Activate(int site, Tensor pre) =>
                SiteActivation.Apply(cell.Sites[site], pre, cell.GainsOf(x[number + Gains], site), context.Child((uint)site), Backend.Composed);
        }
    }

    /// <summary>The first float of a time step.</summary>
    private static float* At(Tensor tensor, int step) => FusedEngine.Pointer(tensor) + (step * tensor.stride(0));

    private static StepInputs Inputs(FusedOperands x, int cell, float* fromInput, float* packed, float* state, float* second) => new()
    {
        FromInput = fromInput, PackedHh = packed, BiasHh = x.At(cell + RecurrentBias), Gains = x.At(cell + Gains), Hidden = state, Cell = second,
    };

    private static AttentionInputs Inputs(FusedOperands x, float* query) => new()
    {
        Query = query, Keys = x.At(Keys), Annotations = x.At(Annotations), Score = x.At(Score), Gains = x.At(AttentionGains),
        GainCount = (int)(x.Tensor(AttentionGains)?.numel() ?? 0), Mask = x.At(Mask),
    };
}
