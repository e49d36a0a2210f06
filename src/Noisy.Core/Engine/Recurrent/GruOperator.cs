using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>A GRU: the activations of its sites, and its operator for a pair of them.</summary>
internal static class GruOperator
{
    /// <summary>The activation at each nonlinearity, in the order of the rows of p and of the noise keys: reset, update, candidate.</summary>
    internal static NoisyActivationSpec[] Sites(ActivationPair activations)
    {
        var (sigmoid, tanh) = (activations.Sigmoid, activations.Tanh);
        return [sigmoid, sigmoid, tanh];
    }

    /// <summary>Makes the operator and hands it to a visitor; see <see cref="ICellSource.Accept"/>.</summary>
    internal static void Accept<TVisitor>(ActivationPair activations, double? scale, ref TVisitor visitor)
        where TVisitor : struct, ICellVisitor
    {
        var operators = new Operators<TVisitor>(visitor);
        NoisyOperators.Accept(activations.Sigmoid, activations.Tanh, scale, ref operators);
        visitor = operators.Visitor;
    }

    private struct Operators<TVisitor>(TVisitor visitor) : IOperatorPairVisitor
        where TVisitor : struct, ICellVisitor
    {
        internal TVisitor Visitor = visitor;

        public void Visit<TSigmoid, TTanh>(TSigmoid sigmoid, TTanh tanh)
            where TSigmoid : struct, INoisyOperator
            where TTanh : struct, INoisyOperator => Visitor.Visit(new GruOperator<TSigmoid, TTanh>(sigmoid, tanh));
    }
}

/// <summary>
/// GRU in torch's form: gates and sites reset, update, candidate; blocks reset, update, the candidate's recurrent part and the
/// candidate's input part, which stay apart because the reset gate multiplies only the first of the two.
/// </summary>
internal readonly unsafe struct GruOperator<TSigmoid, TTanh>(TSigmoid sigmoid, TTanh tanh) : ICell
    where TSigmoid : struct, INoisyOperator
    where TTanh : struct, INoisyOperator
{
    private const int Reset = 0, Update = 1, Candidate = 2;

    private readonly TSigmoid sigmoid = sigmoid;
    private readonly TTanh tanh = tanh;

    public static int Gates => 3;

    public static int Sites => 3;

    public static int Rooms => 1;

    public static bool HasCell => false;

    public static ReadOnlySpan<byte> InputBlocks => [0, 1, 3];

    public static ReadOnlySpan<byte> RecurrentBlocks => [0, 1, 2];

    public static bool ReadsNoise => TSigmoid.ReadsNoise || TTanh.ReadsNoise;

    public static bool ReadsP => TSigmoid.ReadsP || TTanh.ReadsP;

    [MethodImpl(NoInlining | AggressiveOptimization)]
    public void Forward<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        CellSite.Values<TSigmoid, V>(sigmoid, at, Reset, at.Gates, at.GateStride);
        CellSite.Values<TSigmoid, V>(sigmoid, at, Update, at.Gates + at.Block, at.GateStride);
        CellSite.Values<TTanh, V>(tanh, at, Candidate, Inside<V>(at), CellSite.RoomStep);
        for (var i = 0; i < at.Count; i++)
        {
            var candidate = CellSite.Value<V>(at, Candidate, i);
            var step = V.Load(in *(at.HiddenBefore + (i * at.StateStride)), 0) - candidate;
            V.MultiplyAdd(CellSite.Value<V>(at, Update, i), step, candidate).Store(ref *(at.Hidden + (i * at.StateStride)), 0);
        }
    }

    [MethodImpl(NoInlining | AggressiveOptimization)]
    public void Backward<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        CellSite.Slopes<TSigmoid, V>(sigmoid, at, Reset, at.Gates, at.GateStride);
        CellSite.Slopes<TSigmoid, V>(sigmoid, at, Update, at.Gates + at.Block, at.GateStride);
        CellSite.Slopes<TTanh, V>(tanh, at, Candidate, Inside<V>(at), CellSite.RoomStep);
        for (var i = 0; i < at.Count; i++)
        {
            var gates = at.Gates + (i * at.GateStride);
            var to = at.GradGates + (i * at.GateStride);
            var carry = at.Carry + (i * at.StateStride);
            var (update, candidate) = (CellSite.Value<V>(at, Update, i), CellSite.Value<V>(at, Candidate, i));
            var grad = V.Load(in *(at.GradHidden + (i * at.GradHiddenStride)), 0) + V.Load(in *carry, 0);
            (grad * update).Store(ref *carry, 0);

            var gradCandidate = grad * (1f - update);
            CellSite.AddGain<TTanh, V>(at, Candidate, i, gradCandidate);
            var gradInside = CellSite.Down<TTanh, V>(at, Candidate, i, gradCandidate);
            gradInside.Store(ref *(to + (3 * at.Block)), 0);
            (gradInside * CellSite.Value<V>(at, Reset, i)).Store(ref *(to + (2 * at.Block)), 0);

            var gradUpdate = grad * (V.Load(in *(at.HiddenBefore + (i * at.StateStride)), 0) - candidate);
            CellSite.AddGain<TSigmoid, V>(at, Update, i, gradUpdate);
            CellSite.Down<TSigmoid, V>(at, Update, i, gradUpdate).Store(ref *(to + at.Block), 0);

            var gradReset = gradInside * V.Load(in *(gates + (2 * at.Block)), 0);
            CellSite.AddGain<TSigmoid, V>(at, Reset, i, gradReset);
            CellSite.Down<TSigmoid, V>(at, Reset, i, gradReset).Store(ref *to, 0);
        }
    }

    /// <summary>The candidate's pre-activation of all places, in a room of the scratch.</summary>
    [MethodImpl(AggressiveInlining)]
    private static float* Inside<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        var to = CellSite.Room<GruOperator<TSigmoid, TTanh>>(at, 0);
        for (var i = 0; i < at.Count; i++)
        {
            var gates = at.Gates + (i * at.GateStride);
            V.MultiplyAdd(CellSite.Value<V>(at, Reset, i), V.Load(in *(gates + (2 * at.Block)), 0), V.Load(in *(gates + (3 * at.Block)), 0))
                .Store(ref *(to + (i * CellSite.RoomStep)), 0);
        }

        return to;
    }
}
