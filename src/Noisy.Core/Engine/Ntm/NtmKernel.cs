namespace Noisy.Core;

/// <summary>A Neural Turing Machine over whole sequences, forward and backward, with a cell as its controller.</summary>
/// <remarks>
/// <para>In a time step the controller sees the input and the last reads; a linear map of its output gives all heads their
/// parameters; then the heads take turns, readers first: each finds its place in the memory as it finds it, and reads or
/// writes there. A linear map of the controller's output and the reads gives the logits.</para>
/// <para>Precision: single. The same bits for every number of threads and every vector width: an example belongs to one thread,
/// and sums over rows have an order of their own. Noise: as in <see cref="RecurrentKernel"/>.</para>
/// </remarks>
internal abstract unsafe class NtmKernel
{
    /// <summary>The kernel of a controller with its activations.</summary>
    /// <param name="controller">The controller's cell, whose two products add up in the same blocks; its activations are valid.</param>
    /// <param name="scale">Noise scale c of every site; null takes each spec's own.</param>
    /// <param name="width">Vector width.</param>
    /// <exception cref="ArgumentException">The two products of a gate add up in different blocks, as a GRU's do.</exception>
    internal static NtmKernel Create(ICellSource controller, double? scale, VectorWidth width)
    {
        var visitor = new Visitor(VectorWidths.Resolve(width));
        controller.Accept(scale, ref visitor);
        return visitor.Kernel!;
    }

    /// <summary>Runs the machine.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="x">Parameters and inputs.</param>
    /// <param name="noise">Where ξ comes from.</param>
    /// <param name="logits">Receives [T B, O].</param>
    /// <param name="threads">Threads, ≥ 1; no more than examples are used.</param>
    /// <returns>What the backward pass needs; the caller disposes it.</returns>
    internal abstract NtmTape Forward(NtmDimensions size, NtmInputs x, RecurrentNoise noise, float* logits, int threads);

    /// <summary>Runs the machine back.</summary>
    /// <param name="tape">From the forward pass; read only.</param>
    /// <param name="x">As in the forward pass; the weights are read.</param>
    /// <param name="grad">Upstream gradients, and the gradients to compute.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal abstract void Backward(NtmTape tape, NtmInputs x, NtmGradients grad, int threads);

    private struct Visitor(VectorWidth width) : ICellVisitor
    {
        internal NtmKernel? Kernel { get; private set; }

        public void Visit<TCell>(TCell cell)
            where TCell : struct, ICell
        {
            if (TCell.RecurrentBlocks.Length > 0 && !TCell.RecurrentBlocks.SequenceEqual(TCell.InputBlocks))
                throw new ArgumentException("the two products of a controller's gate must add up in the same block", nameof(cell));
            Kernel = width switch
            {
                VectorWidth.Bits512 => new NtmKernel<Lanes16, TCell>(cell),
                VectorWidth.Bits256 => new NtmKernel<Lanes8, TCell>(cell),
                VectorWidth.Bits128 => new NtmKernel<Lanes4, TCell>(cell),
                _ => new NtmKernel<Lanes1, TCell>(cell),
            };
        }
    }
}

/// <summary>The kernel compiled for one controller and one vector width; the two passes are in files of their own.</summary>
internal sealed unsafe partial class NtmKernel<V, TCell>(TCell cell) : NtmKernel
    where V : struct, ILanes<V>, IBitLanes<V>
    where TCell : struct, ICell
{
    private readonly TCell cell = cell;

    /// <summary>Whether the controller sees its own last output.</summary>
    private static bool IsRecurrent => TCell.RecurrentBlocks.Length > 0;

    /// <summary>A member's part: some examples, which need nothing from each other.</summary>
    private readonly struct Part
    {
        internal readonly TeamMember Member;
        internal readonly int First, End;

        internal Part(TeamMember member, int examples)
        {
            Member = member;
            (First, End) = member.Share(examples);
        }

        internal int Count => End - First;
    }

    /// <summary>Where the controller's cell finds the numbers of one example in one time step, along its units.</summary>
    private static CellPlace Place(NtmTape tape, int t, int b, float* scratch)
    {
        var size = tape.Size;
        nint padded = size.PaddedHidden, row = ((nint)t * size.Batch) + b, next = row + size.Batch;
        return new CellPlace
        {
            Count = (size.Hidden + V.Count - 1) / V.Count,
            Gates = tape.Gates + (row * tape.GateRow),
            GateStride = V.Count,
            Block = padded,
            Noise = tape.Noise + ((nint)t * tape.NoiseStride) + ((nint)b * tape.NoiseRow),
            NoiseSite = tape.NoiseSite,
            NoiseStride = V.Count,
            Gains = tape.Gains,
            GainStride = V.Count,
            HiddenBefore = tape.Hidden + (row * padded),
            Hidden = tape.Hidden + (next * padded),
            CellBefore = tape.Cell + (row * padded),
            Cell = tape.Cell + (next * padded),
            StateStride = V.Count,
            Scratch = scratch,
        };
    }
}
