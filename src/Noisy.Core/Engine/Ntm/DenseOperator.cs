using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>A layer without a state: its operator for an activation.</summary>
internal static class DenseOperator
{
    /// <summary>Makes the operator and hands it to a visitor; see <see cref="ICellSource.Accept"/>.</summary>
    internal static void Accept<TVisitor>(NoisyActivationSpec tanh, double? scale, ref TVisitor visitor)
        where TVisitor : struct, ICellVisitor
    {
        var operators = new Operators<TVisitor>(visitor);
        NoisyOperators.Accept(tanh, scale ?? tanh.C, ref operators);
        visitor = operators.Visitor;
    }

    private struct Operators<TVisitor>(TVisitor visitor) : IOperatorVisitor
        where TVisitor : struct, ICellVisitor
    {
        internal TVisitor Visitor = visitor;

        public void Visit<TTanh>(TTanh op)
            where TTanh : struct, INoisyOperator => Visitor.Visit(new DenseOperator<TTanh>(op));
    }
}

/// <summary>A layer without a state as a cell: one block, one site, its output the activation alone.</summary>
internal readonly unsafe struct DenseOperator<TTanh>(TTanh tanh) : ICell
    where TTanh : struct, INoisyOperator
{
    private readonly TTanh tanh = tanh;

    public static int Gates => 1;

    public static int Sites => 1;

    public static bool HasCell => false;

    public static ReadOnlySpan<byte> InputBlocks => [0];

    public static ReadOnlySpan<byte> RecurrentBlocks => [];

    public static bool ReadsNoise => TTanh.ReadsNoise;

    public static bool ReadsP => TTanh.ReadsP;

    [MethodImpl(NoInlining | AggressiveOptimization)]
    public void Forward<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        CellSite.Values<TTanh, V>(tanh, at, 0, at.Gates, at.GateStride);
        for (var i = 0; i < at.Count; i++) CellSite.Value<V>(at, 0, i).Store(ref *(at.Hidden + (i * at.StateStride)), 0);
    }

    [MethodImpl(NoInlining | AggressiveOptimization)]
    public void Backward<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        CellSite.Slopes<TTanh, V>(tanh, at, 0, at.Gates, at.GateStride);
        for (var i = 0; i < at.Count; i++)
        {
            var grad = V.Load(in *(at.GradHidden + (i * at.GradHiddenStride)), 0);
            CellSite.AddGain<TTanh, V>(at, 0, i, grad);
            CellSite.Down<TTanh, V>(at, 0, i, grad).Store(ref *(at.GradGates + (i * at.GateStride)), 0);
        }
    }
}
