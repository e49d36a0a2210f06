using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>An LSTM: the activations of its sites, and its operator for a pair of them.</summary>
internal static class LstmOperator
{
    /// <summary>The activation at each nonlinearity, in the order of the rows of p and of the noise keys: input, forget, candidate, output, cell output.</summary>
    internal static NoisyActivationSpec[] Sites(ActivationPair activations)
    {
        var (sigmoid, tanh) = (activations.Sigmoid, activations.Tanh);
        return [sigmoid, sigmoid, tanh, sigmoid, tanh];
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
            where TTanh : struct, INoisyOperator => Visitor.Visit(new LstmOperator<TSigmoid, TTanh>(sigmoid, tanh));
    }
}

/// <summary>LSTM: blocks and gates input, forget, candidate, output; sites the same, then the cell output.</summary>
internal readonly unsafe struct LstmOperator<TSigmoid, TTanh>(TSigmoid sigmoid, TTanh tanh) : ICell
    where TSigmoid : struct, INoisyOperator
    where TTanh : struct, INoisyOperator
{
    private const int Input = 0, Forget = 1, Candidate = 2, Output = 3, Squashed = 4;

    private readonly TSigmoid sigmoid = sigmoid;
    private readonly TTanh tanh = tanh;

    public static int Gates => 4;

    public static int Sites => 5;

    public static bool HasCell => true;

    public static ReadOnlySpan<byte> InputBlocks => [0, 1, 2, 3];

    public static ReadOnlySpan<byte> RecurrentBlocks => [0, 1, 2, 3];

    public static bool ReadsNoise => TSigmoid.ReadsNoise || TTanh.ReadsNoise;

    public static bool ReadsP => TSigmoid.ReadsP || TTanh.ReadsP;

    [MethodImpl(NoInlining | AggressiveOptimization)]
    public void Forward<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        CellSite.Values<TSigmoid, V>(sigmoid, at, Input, at.Gates, at.GateStride);
        CellSite.Values<TSigmoid, V>(sigmoid, at, Forget, at.Gates + at.Block, at.GateStride);
        CellSite.Values<TTanh, V>(tanh, at, Candidate, at.Gates + (2 * at.Block), at.GateStride);
        CellSite.Values<TSigmoid, V>(sigmoid, at, Output, at.Gates + (3 * at.Block), at.GateStride);
        for (var i = 0; i < at.Count; i++)
        {
            var state = i * at.StateStride;
            V.MultiplyAdd(
                CellSite.Value<V>(at, Forget, i), V.Load(in *(at.CellBefore + state), 0),
                CellSite.Value<V>(at, Input, i) * CellSite.Value<V>(at, Candidate, i)).Store(ref *(at.Cell + state), 0);
        }

        CellSite.Values<TTanh, V>(tanh, at, Squashed, at.Cell, at.StateStride);
        for (var i = 0; i < at.Count; i++)
            (CellSite.Value<V>(at, Output, i) * CellSite.Value<V>(at, Squashed, i)).Store(ref *(at.Hidden + (i * at.StateStride)), 0);
    }

    [MethodImpl(NoInlining | AggressiveOptimization)]
    public void Backward<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        CellSite.Slopes<TSigmoid, V>(sigmoid, at, Input, at.Gates, at.GateStride);
        CellSite.Slopes<TSigmoid, V>(sigmoid, at, Forget, at.Gates + at.Block, at.GateStride);
        CellSite.Slopes<TTanh, V>(tanh, at, Candidate, at.Gates + (2 * at.Block), at.GateStride);
        CellSite.Slopes<TSigmoid, V>(sigmoid, at, Output, at.Gates + (3 * at.Block), at.GateStride);
        CellSite.Slopes<TTanh, V>(tanh, at, Squashed, at.Cell, at.StateStride);
        for (var i = 0; i < at.Count; i++)
        {
            var gradHidden = V.Load(in *(at.GradHidden + (i * at.GradHiddenStride)), 0);
            var carry = at.Carry + (i * at.StateStride);
            Descend<TSigmoid, V>(at, Output, i, gradHidden * CellSite.Value<V>(at, Squashed, i));
            var gradSquashed = gradHidden * CellSite.Value<V>(at, Output, i);
            CellSite.AddGain<TTanh, V>(at, Squashed, i, gradSquashed);
            var gradCell = CellSite.Down<TTanh, V>(at, Squashed, i, gradSquashed, V.Load(in *carry, 0));
            Descend<TSigmoid, V>(at, Input, i, gradCell * CellSite.Value<V>(at, Candidate, i));
            Descend<TTanh, V>(at, Candidate, i, gradCell * CellSite.Value<V>(at, Input, i));
            Descend<TSigmoid, V>(at, Forget, i, gradCell * V.Load(in *(at.CellBefore + (i * at.StateStride)), 0));
            (gradCell * CellSite.Value<V>(at, Forget, i)).Store(ref *carry, 0);
        }
    }

    /// <summary>From the gradient in a gate to those in its pre-activation and gains; site and block have the same number.</summary>
    [MethodImpl(AggressiveInlining)]
    private static void Descend<TOperator, V>(in CellPlace at, int site, int i, V grad)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V>
    {
        CellSite.Down<TOperator, V>(at, site, i, grad).Store(ref *(at.GradGates + (i * at.GateStride) + (site * at.Block)), 0);
        CellSite.AddGain<TOperator, V>(at, site, i, grad);
    }
}
