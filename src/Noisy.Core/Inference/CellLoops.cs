using System.Runtime.CompilerServices;

namespace Noisy.Core;

/// <summary>What a cell does besides products and activations, over neighbouring units.</summary>
/// <remarks>Counts are whole vectors.</remarks>
internal abstract unsafe class CellLoops
{
    /// <summary>The loops of a vector width.</summary>
    internal static CellLoops Create(VectorWidth width) => width switch
    {
        VectorWidth.Bits512 => new CellLoops<Lanes16>(),
        VectorWidth.Bits256 => new CellLoops<Lanes8>(),
        VectorWidth.Bits128 => new CellLoops<Lanes4>(),
        _ => new CellLoops<Lanes1>(),
    };

    /// <summary>LSTM: c = f c + i g, and a copy of it.</summary>
    internal abstract void Cell(float* input, float* forget, float* candidate, float* cell, float* copy, int count);

    /// <summary>LSTM: h = o h.</summary>
    internal abstract void Output(float* output, float* hidden, int count);

    /// <summary>GRU: the candidate's pre-activation, g + r n.</summary>
    internal abstract void Candidate(float* reset, float* inner, float* candidate, int count);

    /// <summary>GRU: h = g + u (h before − g).</summary>
    internal abstract void Mix(float* update, float* candidate, float* before, float* hidden, int count);
}

/// <summary>The loops for one vector width.</summary>
internal sealed unsafe class CellLoops<V> : CellLoops
    where V : struct, ILanes<V>
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal override void Cell(float* input, float* forget, float* candidate, float* cell, float* copy, int count)
    {
        for (nint u = 0; u < count; u += V.Count)
        {
            var c = V.MultiplyAdd(V.Load(in forget[u], 0), V.Load(in cell[u], 0), V.Load(in input[u], 0) * V.Load(in candidate[u], 0));
            c.Store(ref cell[u], 0);
            c.Store(ref copy[u], 0);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal override void Output(float* output, float* hidden, int count)
    {
        for (nint u = 0; u < count; u += V.Count) (V.Load(in output[u], 0) * V.Load(in hidden[u], 0)).Store(ref hidden[u], 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal override void Candidate(float* reset, float* inner, float* candidate, int count)
    {
        for (nint u = 0; u < count; u += V.Count)
            V.MultiplyAdd(V.Load(in reset[u], 0), V.Load(in inner[u], 0), V.Load(in candidate[u], 0)).Store(ref candidate[u], 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal override void Mix(float* update, float* candidate, float* before, float* hidden, int count)
    {
        for (nint u = 0; u < count; u += V.Count)
        {
            var g = V.Load(in candidate[u], 0);
            V.MultiplyAdd(V.Load(in update[u], 0), V.Load(in before[u], 0) - g, g).Store(ref hidden[u], 0);
        }
    }
}
