namespace Noisy.Core;

/// <summary>Which cell.</summary>
internal enum RecurrentCellKind
{
    /// <summary>LSTM: four gates, five sites, two states.</summary>
    Lstm,

    /// <summary>GRU in torch's form: three gates, three sites, one state.</summary>
    Gru,

    /// <summary>No recurrence: one site, which replaces a tanh. A controller, not a layer of its own.</summary>
    Dense,
}

/// <summary>Receives a cell under its own type, so that the code after it is compiled for that cell.</summary>
internal interface ICellVisitor
{
    /// <summary>Called once.</summary>
    void Visit<TCell>(TCell cell) where TCell : struct, ICell;
}

/// <summary>From a kind and two activations to the cell: the one place where kinds are told apart.</summary>
internal static class Cells
{
    /// <summary>Makes the cell and hands it to a visitor.</summary>
    /// <param name="kind">Which cell.</param>
    /// <param name="sigmoid">What replaces the sigmoid; valid.</param>
    /// <param name="tanh">What replaces the tanh; valid.</param>
    /// <param name="scale">Noise scale c of every site; null takes each spec's own.</param>
    /// <param name="visitor">Receives the cell under its own type.</param>
    internal static void Accept<TVisitor>(
        RecurrentCellKind kind, NoisyActivationSpec sigmoid, NoisyActivationSpec tanh, double? scale, ref TVisitor visitor)
        where TVisitor : struct, ICellVisitor
    {
        if (kind == RecurrentCellKind.Dense)
        {
            var dense = new DenseVisitor<TVisitor>(visitor);
            NoisyOperators.Accept(tanh, scale ?? tanh.C, ref dense);
            visitor = dense.Visitor;
            return;
        }

        var outer = new SigmoidVisitor<TVisitor>(kind, tanh, scale ?? tanh.C, visitor);
        NoisyOperators.Accept(sigmoid, scale ?? sigmoid.C, ref outer);
        visitor = outer.Visitor;
    }

    private struct DenseVisitor<TVisitor>(TVisitor visitor) : IOperatorVisitor
        where TVisitor : struct, ICellVisitor
    {
        internal TVisitor Visitor = visitor;

        public void Visit<TTanh>(TTanh op)
            where TTanh : struct, INoisyOperator => Visitor.Visit(new DenseOperator<TTanh>(op));
    }

    private struct SigmoidVisitor<TVisitor>(RecurrentCellKind kind, NoisyActivationSpec tanh, double scale, TVisitor visitor) : IOperatorVisitor
        where TVisitor : struct, ICellVisitor
    {
        internal TVisitor Visitor = visitor;

        public void Visit<TSigmoid>(TSigmoid op)
            where TSigmoid : struct, INoisyOperator
        {
            var inner = new TanhVisitor<TSigmoid, TVisitor>(kind, op, Visitor);
            NoisyOperators.Accept(tanh, scale, ref inner);
            Visitor = inner.Visitor;
        }
    }

    private struct TanhVisitor<TSigmoid, TVisitor>(RecurrentCellKind kind, TSigmoid sigmoid, TVisitor visitor) : IOperatorVisitor
        where TSigmoid : struct, INoisyOperator
        where TVisitor : struct, ICellVisitor
    {
        internal TVisitor Visitor = visitor;

        public void Visit<TTanh>(TTanh op)
            where TTanh : struct, INoisyOperator
        {
            if (kind == RecurrentCellKind.Lstm) Visitor.Visit(new LstmOperator<TSigmoid, TTanh>(sigmoid, op));
            else Visitor.Visit(new GruOperator<TSigmoid, TTanh>(sigmoid, op));
        }
    }
}
