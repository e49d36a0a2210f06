namespace Noisy.Core;

/// <summary>
/// A recurrent layer over a whole sequence, forward and backward: projection of the inputs, recurrence with noise, gate
/// arithmetic and every gradient.
/// </summary>
/// <remarks>
/// Precision: single; each matrix element is one chain of fused multiply-adds. The same bits for every number of threads and
/// every vector width. Noise: the bits of <see cref="NoiseSampler"/>, element b H + u of slice t of site s.
/// </remarks>
internal abstract class RecurrentKernel
{
    // A member with rows of its own reads all recurrent weights at every step. Where they are more than these, caches do not keep them from step to
    // step, and a member reads a share of them for all rows instead.
    private const long MostForRows = 1 << 20;

    /// <summary>The kernel of a cell with its activations.</summary>
    /// <param name="cell">The cell; its activations are valid.</param>
    /// <param name="scale">Noise scale c of every site; null takes each spec's own.</param>
    /// <param name="width">Vector width.</param>
    internal static RecurrentKernel Create(ICellSource cell, double? scale, VectorWidth width)
    {
        var visitor = new Visitor(VectorWidths.Resolve(width));
        cell.Accept(scale, ref visitor);
        return visitor.Kernel!;
    }

    /// <summary>Whether members share the rows of a step, so that none waits for another; otherwise they share the units.</summary>
    /// <param name="member">Who asks.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="weights">Recurrent weights, all gates together.</param>
    internal static bool SharesRows(TeamMember member, int batch, long weights) => batch >= 4 * member.Count && weights <= MostForRows;

    /// <summary>Runs the layer.</summary>
    /// <param name="size">Sizes and direction.</param>
    /// <param name="x">Parameters, inputs, initial states.</param>
    /// <param name="noise">Where ξ comes from.</param>
    /// <param name="y">Receives output and final states.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    /// <returns>What the backward pass needs; the caller disposes it.</returns>
    internal abstract RecurrentTape Forward(RecurrentDimensions size, RecurrentInputs x, RecurrentNoise noise, RecurrentOutputs y, int threads);

    /// <summary>Runs the layer back.</summary>
    /// <param name="tape">From the forward pass; read only.</param>
    /// <param name="x">As in the forward pass; weights and input are read.</param>
    /// <param name="grad">Upstream gradients, and where the gradients go.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal abstract void Backward(RecurrentTape tape, RecurrentInputs x, RecurrentGradients grad, int threads);

    /// <summary>Packs the recurrent weights for <see cref="Step"/>, and for <see cref="StepBack"/>.</summary>
    /// <param name="weightHh">[G H, H].</param>
    /// <param name="hidden">Units H, ≥ 1.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    /// <returns>To be given back to the <see cref="BufferPool"/>.</returns>
    internal abstract unsafe NativeBuffer PackStep(float* weightHh, int hidden, int threads);

    /// <inheritdoc cref="PackStep"/>
    internal abstract unsafe NativeBuffer PackStepBack(float* weightHh, int hidden, int threads);

    /// <summary>Runs a single time step, whose input is projected elsewhere.</summary>
    /// <param name="batch">Examples B, ≥ 1.</param>
    /// <param name="hidden">Units H, ≥ 1.</param>
    /// <param name="x">Products, weights, gains, states.</param>
    /// <param name="noise">Where ξ comes from.</param>
    /// <param name="y">Receives the states after the step, the output as <see cref="RecurrentOutputs.Output"/>.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    /// <returns>What the backward pass needs; the caller disposes it.</returns>
    internal abstract RecurrentTape Step(int batch, int hidden, StepInputs x, RecurrentNoise noise, RecurrentOutputs y, int threads);

    /// <summary>Runs a single time step back.</summary>
    /// <param name="tape">From <see cref="Step"/>; read only.</param>
    /// <param name="packedHh">The recurrent weights as <see cref="PackStepBack"/> has packed them; null if no gradient in the hidden state is
    /// wanted.</param>
    /// <param name="grad">Upstream gradients, and where the gradients go.</param>
    /// <param name="threads">Threads, ≥ 1.</param>
    internal abstract unsafe void StepBack(RecurrentTape tape, float* packedHh, StepGradients grad, int threads);

    private struct Visitor(VectorWidth width) : ICellVisitor
    {
        internal RecurrentKernel? Kernel { get; private set; }

        public void Visit<TCell>(TCell cell)
            where TCell : struct, ICell => Kernel = width switch
            {
                VectorWidth.Bits512 => new RecurrentKernel<Lanes16, TCell>(cell),
                VectorWidth.Bits256 => new RecurrentKernel<Lanes8, TCell>(cell),
                VectorWidth.Bits128 => new RecurrentKernel<Lanes4, TCell>(cell),
                _ => new RecurrentKernel<Lanes1, TCell>(cell),
            };
    }
}

/// <summary>The kernel compiled for one cell and one vector width; both passes, and single steps, are in files of their own.</summary>
internal sealed unsafe partial class RecurrentKernel<V, TCell>(TCell cell) : RecurrentKernel
    where V : struct, ILanes<V>
    where TCell : struct, ICell
{
    private readonly TCell cell = cell;

    /// <summary>
    /// A member's part of every time step: rows if there are enough of them and few recurrent weights, since rows need nothing from
    /// each other; otherwise pairs of unit vectors, and a barrier at each step.
    /// </summary>
    private readonly struct Part
    {
        internal readonly int FirstRow, EndRow, FirstPair, EndPair, FirstDrawn, EndDrawn;
        internal readonly TeamMember Member;
        private readonly bool waits;

        /// <summary>Room for the gate arithmetic.</summary>
        internal readonly float* Scratch;

        internal Part(TeamMember member, int batch, int hidden, float* scratch)
        {
            Member = member;
            Scratch = scratch;
            (FirstRow, EndRow, FirstPair, EndPair) = (0, batch, 0, Pairs(hidden));
            (FirstDrawn, EndDrawn) = member.Share(batch);
            if (SharesRows(member, batch, (long)TCell.Gates * hidden * hidden))
            {
                (FirstRow, EndRow) = (FirstDrawn, EndDrawn);
                return;
            }

            (FirstPair, EndPair) = member.Share(Pairs(hidden));
            waits = true;
        }

        internal int Rows => EndRow - FirstRow;

        /// <summary>Waits for the others where they depend on each other within a step.</summary>
        internal void EndStep()
        {
            if (waits) Member.Barrier();
        }
    }

    /// <summary>Vectors of units a layer has.</summary>
    private static int Vectors(int units) => (units + V.Count - 1) / V.Count;

    /// <summary>Pairs of vectors.</summary>
    private static int Pairs(int units) => (Vectors(units) + 1) / 2;
}
