using System.Runtime.CompilerServices;
using Noisy.Core;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.OwnCell;

/// <summary>The minimal gated unit in the fused engine: gates and sites gate, candidate; blocks gate, the candidate's recurrent part and
/// the candidate's input part.</summary>
internal readonly unsafe struct MinimalOperator<TSigmoid, TTanh>(TSigmoid sigmoid, TTanh tanh) : ICell
    where TSigmoid : struct, INoisyOperator
    where TTanh : struct, INoisyOperator
{
    private const int Gate = 0, Candidate = 1;

    private readonly TSigmoid sigmoid = sigmoid;
    private readonly TTanh tanh = tanh;

    public static int Gates => 2;

    public static int Sites => 2;

    public static int Rooms => 1;

    public static bool HasCell => false;

    public static ReadOnlySpan<byte> InputBlocks => [0, 2];

    public static ReadOnlySpan<byte> RecurrentBlocks => [0, 1];

    public static bool ReadsNoise => TSigmoid.ReadsNoise || TTanh.ReadsNoise;

    public static bool ReadsP => TSigmoid.ReadsP || TTanh.ReadsP;

    [MethodImpl(NoInlining | AggressiveOptimization)]
    public void Forward<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        CellSite.Values<TSigmoid, V>(sigmoid, at, Gate, at.Gates, at.GateStride);
        CellSite.Values<TTanh, V>(tanh, at, Candidate, Inside<V>(at), CellSite.RoomStep);
        for (var i = 0; i < at.Count; i++)
        {
            var before = V.Load(in *(at.HiddenBefore + (i * at.StateStride)), 0);
            V.MultiplyAdd(CellSite.Value<V>(at, Gate, i), CellSite.Value<V>(at, Candidate, i) - before, before)
                .Store(ref *(at.Hidden + (i * at.StateStride)), 0);
        }
    }

    [MethodImpl(NoInlining | AggressiveOptimization)]
    public void Backward<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        CellSite.Slopes<TSigmoid, V>(sigmoid, at, Gate, at.Gates, at.GateStride);
        CellSite.Slopes<TTanh, V>(tanh, at, Candidate, Inside<V>(at), CellSite.RoomStep);
        for (var i = 0; i < at.Count; i++)
        {
            var gates = at.Gates + (i * at.GateStride);
            var to = at.GradGates + (i * at.GateStride);
            var carry = at.Carry + (i * at.StateStride);
            var (gate, candidate) = (CellSite.Value<V>(at, Gate, i), CellSite.Value<V>(at, Candidate, i));
            var grad = V.Load(in *(at.GradHidden + (i * at.GradHiddenStride)), 0) + V.Load(in *carry, 0);
            (grad * (1f - gate)).Store(ref *carry, 0);

            var gradCandidate = grad * gate;
            CellSite.AddGain<TTanh, V>(at, Candidate, i, gradCandidate);
            var gradInside = CellSite.Down<TTanh, V>(at, Candidate, i, gradCandidate);
            gradInside.Store(ref *(to + (2 * at.Block)), 0);
            (gradInside * gate).Store(ref *(to + at.Block), 0);

            var step = candidate - V.Load(in *(at.HiddenBefore + (i * at.StateStride)), 0);
            var gradGate = V.MultiplyAdd(gradInside, V.Load(in *(gates + at.Block), 0), grad * step);
            CellSite.AddGain<TSigmoid, V>(at, Gate, i, gradGate);
            CellSite.Down<TSigmoid, V>(at, Gate, i, gradGate).Store(ref *to, 0);
        }
    }

    /// <summary>The candidate's pre-activation of all places, in a room of the scratch.</summary>
    private static float* Inside<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        var to = CellSite.Room<MinimalOperator<TSigmoid, TTanh>>(at, 0);
        for (var i = 0; i < at.Count; i++)
        {
            var gates = at.Gates + (i * at.GateStride);
            V.MultiplyAdd(CellSite.Value<V>(at, Gate, i), V.Load(in *(gates + at.Block), 0), V.Load(in *(gates + (2 * at.Block)), 0))
                .Store(ref *(to + (i * CellSite.RoomStep)), 0);
        }

        return to;
    }
}
